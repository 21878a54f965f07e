//! What the steps share.

use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{pin_mut, Stream, StreamExt};
use reduct_rs::{Bucket, ErrorCode, Record, RecordBuilder, ReductClient, ReductError};

pub const SECOND: u64 = 1_000_000;

/// What every step gets: the client and an empty bucket of its own.
pub struct Context {
    pub url: String,
    pub token: String,
    pub client: ReductClient,
    pub bucket: Bucket,
}

/// Makes contexts for steps.
pub struct Contexts {
    url: String,
    token: String,
    client: ReductClient,
}

impl Context {
    #[allow(clippy::new_ret_no_self)]
    pub fn new(url: &str, token: &str) -> Contexts {
        Contexts {
            url: url.to_string(),
            token: token.to_string(),
            client: connect(url, token),
        }
    }
}

impl Contexts {
    pub async fn for_step(&self, step: &str) -> Context {
        let letters: String = step.chars().filter(char::is_ascii_alphabetic).collect();
        let bucket = self
            .client
            .create_bucket(&format!("rs-{letters}"))
            .send()
            .await;
        Context {
            url: self.url.clone(),
            token: self.token.clone(),
            client: connect(&self.url, &self.token),
            bucket: bucket.expect("a bucket for the step"),
        }
    }
}

pub fn connect(url: &str, token: &str) -> ReductClient {
    let client = ReductClient::builder()
        .url(url)
        .api_token(token)
        .timeout(Duration::from_secs(20));
    client.build()
}

/// The result must be refused with this status.
pub fn refused<T>(result: Result<T, ReductError>, status: ErrorCode) -> String {
    match result {
        Ok(_) => panic!("not refused with {status:?}"),
        Err(error) => {
            assert_eq!(error.status(), status, "{}", error.message());
            error.message().to_string()
        }
    }
}

/// Waits until the condition is true.
pub async fn eventually<F: Future<Output = bool>>(condition: impl Fn() -> F, every: Duration) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(
            Instant::now() < deadline,
            "the condition did not come true in time"
        );
        tokio::time::sleep(every).await;
    }
}

pub fn at_second(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

/// `record <n>` at second n with label `n`, and the entry as a label: the SDK keeps that of a record to itself.
pub fn numbered(entry: &str, n: u64) -> Record {
    RecordBuilder::new()
        .timestamp_us(n * SECOND)
        .add_label("n".to_string(), n.to_string())
        .add_label("entry".to_string(), entry.to_string())
        .content_type("text/plain")
        .data(format!("record {n}"))
        .build()
}

pub async fn write_series(bucket: &Bucket, entry: &str, count: u64) {
    let errors = bucket
        .write_batch(entry)
        .add_records((1..=count).map(|n| numbered(entry, n)).collect());
    assert!(errors.send().await.unwrap().is_empty());
}

/// All records of a query, each as "entry n content".
pub async fn lines(
    query: Result<impl Stream<Item = Result<Record, ReductError>>, ReductError>,
) -> Result<Vec<String>, ReductError> {
    let stream = query?;
    pin_mut!(stream);
    let mut lines = Vec::new();
    while let Some(record) = stream.next().await {
        let record = record?;
        let label = |name: &str| record.labels().get(name).cloned().unwrap_or_default();
        let (entry, n) = (label("entry"), label("n"));
        let content = record.bytes().await?;
        lines.push(format!("{entry} {n} {}", String::from_utf8_lossy(&content)));
    }
    Ok(lines)
}

/// What `lines` gives for records of `write_series`.
pub fn expected(entry: &str, numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|n| format!("{entry} {n} record {n}"))
        .collect()
}
