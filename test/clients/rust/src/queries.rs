//! Queries, links and attachments.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use futures_util::{pin_mut, StreamExt};
use reduct_rs::{condition, ext, ErrorCode};
use serde_json::json;

use crate::support::{
    at_second, expected, lines, numbered, refused, write_series, Context, SECOND,
};

pub async fn one_entry(Context { bucket, .. }: Context) {
    write_series(&bucket, "e", 80).await;
    assert_eq!(
        lines(bucket.query("e").send().await).await.unwrap(),
        expected("e", 1..=80)
    );
    let range = bucket.query("e").start_us(10 * SECOND).stop_us(12 * SECOND);
    let range = range.ttl(Duration::from_secs(5)).send().await;
    assert_eq!(lines(range).await.unwrap(), expected("e", [10, 11]));
    let range = bucket
        .query("e")
        .start(at_second(79))
        .stop(at_second(81))
        .send()
        .await;
    assert_eq!(lines(range).await.unwrap(), expected("e", [79, 80]));
    let when = condition!({"$and": [{"&n": {"$gt": 20}}, {"&n": {"$lte": 22}}]});
    let filtered = bucket.query("e").when(when).strict(true).send().await;
    assert_eq!(lines(filtered).await.unwrap(), expected("e", [21, 22]));
    let heads = bucket
        .query("e")
        .stop_us(3 * SECOND)
        .head_only(true)
        .send()
        .await
        .unwrap();
    let heads: Vec<_> = heads.collect().await;
    let sizes: Vec<_> = heads
        .iter()
        .map(|head| head.as_ref().unwrap().content_length())
        .collect();
    assert_eq!(sizes, [8, 8]);
    let bad = bucket
        .query("e")
        .when(condition!({"&n": {"$nope": 1}}))
        .send()
        .await;
    refused(lines(bad).await, ErrorCode::UnprocessableEntity);
    let absent = condition!({"&absent": {"$gt": 1}});
    let strict = bucket.query("e").when(absent).strict(true).send().await;
    refused(lines(strict).await, ErrorCode::NotFound);
    let extended = bucket.query("e").ext(ext!({"test": {}})).send().await;
    let text = refused(lines(extended).await, ErrorCode::UnprocessableEntity);
    assert!(text.contains("Unknown extension"), "{text}");
}

pub async fn several_entries(Context { bucket, .. }: Context) {
    for entry in ["acc-a", "acc-b", "line/acc", "other"] {
        write_series(&bucket, entry, 3).await;
    }
    let wanted = |entries: &[&str]| {
        let mut all: Vec<_> = entries
            .iter()
            .flat_map(|entry| expected(entry, 1..=3))
            .collect();
        all.sort();
        all
    };
    let mut two = lines(bucket.query(&["acc-a", "other"]).send().await)
        .await
        .unwrap();
    two.sort();
    assert_eq!(two, wanted(&["acc-a", "other"]));
    let mut prefixed = lines(bucket.query(&["acc-*", "acc-a"]).send().await)
        .await
        .unwrap();
    prefixed.sort();
    assert_eq!(prefixed, wanted(&["acc-a", "acc-b"]));
    let mut most = lines(bucket.query(&["*", "!other"]).send().await)
        .await
        .unwrap();
    most.sort();
    assert_eq!(most, wanted(&["acc-a", "acc-b", "line/acc"]));
}

pub async fn continuous(Context { bucket, .. }: Context) {
    write_series(&bucket, "e", 2).await;
    // Over one entry the SDK stops at the first batch that drains it.
    let query = bucket
        .query(&["e", "f"])
        .start_us(0)
        .continuous()
        .ttl(Duration::from_secs(20));
    let stream = query.send().await.unwrap();
    pin_mut!(stream);
    let mut seen = Vec::new();
    while let Some(record) = stream.next().await {
        seen.push(record.unwrap().timestamp_us() / SECOND);
        if seen.len() == 2 || seen.len() == 3 {
            let next = numbered("e", seen.len() as u64 + 1);
            assert!(bucket
                .write_batch("e")
                .add_record(next)
                .send()
                .await
                .unwrap()
                .is_empty());
        }
        if seen.len() == 4 {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4]);
}

/// Status line and body of a GET without token.
fn fetch(link: &str, header: &str) -> (String, String) {
    let rest = link.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut socket = TcpStream::connect(host).unwrap();
    let request =
        format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\n{header}connection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_string(), body.to_string())
}

pub async fn links(Context { url, bucket, .. }: Context) {
    write_series(&bucket, "e", 3).await;
    let link = bucket
        .create_query_link("e")
        .record("e", 2 * SECOND)
        .file_name("custom-name.txt")
        .base_url(&url)
        .expire_at((SystemTime::now() + Duration::from_secs(60)).into())
        .send()
        .await
        .unwrap();
    assert!(link.contains("/api/v1/links/custom-name.txt?"), "{link}");
    assert_eq!(
        fetch(&link, ""),
        ("HTTP/1.1 200 OK".into(), "record 2".into())
    );
    let (status, part) = fetch(&link, "range: bytes=0-5\r\n");
    assert!(status.contains("206"), "{status}");
    assert_eq!(part, "record");
}

pub async fn attachments(Context { bucket, .. }: Context) {
    write_series(&bucket, "e", 1).await;
    let written = HashMap::from([
        ("meta-1".to_string(), json!({"a": 1, "list": [1, 2]})),
        ("$system".to_string(), json!("text")),
        ("1".to_string(), json!(true)),
        ("2.5".to_string(), json!({"z": null})),
    ]);
    bucket
        .write_attachments("e", written.clone())
        .await
        .unwrap();
    assert_eq!(bucket.read_attachments("e").await.unwrap(), written);
    let replaced = HashMap::from([("meta-1".to_string(), json!({"b": 2}))]);
    bucket.write_attachments("e", replaced).await.unwrap();
    assert_eq!(
        bucket.read_attachments("e").await.unwrap()["meta-1"],
        json!({"b": 2})
    );
    let keys = ["meta-1", "$system", "1"].map(str::to_string).to_vec();
    bucket.remove_attachments("e", Some(keys)).await.unwrap();
    let left = HashMap::from([("2.5".to_string(), json!({"z": null}))]);
    assert_eq!(bucket.read_attachments("e").await.unwrap(), left);
    bucket.remove_attachments("e", None).await.unwrap();
    assert!(bucket.read_attachments("e").await.unwrap().is_empty());
}
