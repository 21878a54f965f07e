//! Writing, reading, updating and removing records.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{stream, StreamExt};
use reduct_rs::{ErrorCode, Record, RecordBuilder, ReductError};

use crate::support::{
    at_second, eventually, expected, lines, numbered, refused, write_series, Context, SECOND,
};

fn labels(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

pub async fn single(Context { bucket, .. }: Context) {
    let now = at_second(1_700_000_000);
    bucket
        .write_record("line/s-1")
        .timestamp(now)
        .labels(labels(&[("engine_status", "working")]))
        .add_label("rpm", 1480)
        .content_type("application/x-f32")
        .data("vibration")
        .send()
        .await
        .unwrap();
    let record = bucket
        .read_record("line/s-1")
        .timestamp(now)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (record.timestamp(), record.timestamp_us()),
        (now, 1_700_000_000 * SECOND)
    );
    assert_eq!(
        (record.content_type(), record.content_length()),
        ("application/x-f32", 9)
    );
    assert_eq!(
        record.labels(),
        &labels(&[("engine_status", "working"), ("rpm", "1480")])
    );
    assert_eq!(record.bytes().await.unwrap(), "vibration");
    let head = bucket
        .read_record("line/s-1")
        .head_only(true)
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_length(), 9);
    bucket
        .write_record("line/s-1")
        .data("now")
        .send()
        .await
        .unwrap();
    let newest = bucket.read_record("line/s-1").send().await.unwrap();
    assert!(newest.timestamp() > now);
    assert_eq!(newest.bytes().await.unwrap(), "now");
    let again = bucket
        .write_record("line/s-1")
        .timestamp(now)
        .data("x")
        .send()
        .await;
    let text = refused(again, ErrorCode::Conflict);
    assert_eq!(
        text,
        "A record with timestamp 1700000000000000 already exists"
    );
    refused(
        bucket.read_record("absent").send().await,
        ErrorCode::NotFound,
    );
}

pub async fn streams(Context { bucket, .. }: Context) {
    let piece = Bytes::from(vec![7u8; 65_536]);
    let pieces: Vec<Result<Bytes, std::io::Error>> = (0..64).map(|_| Ok(piece.clone())).collect();
    bucket
        .write_record("big")
        .timestamp_us(1)
        .content_length(64 * 65_536)
        .stream(stream::iter(pieces))
        .send()
        .await
        .unwrap();
    bucket
        .write_record("big")
        .timestamp_us(2)
        .data(vec![7u8; 64 * 65_536])
        .send()
        .await
        .unwrap();
    for ts in [1, 2] {
        let record = bucket
            .read_record("big")
            .timestamp_us(ts)
            .send()
            .await
            .unwrap();
        let mut content = record.stream_bytes();
        let mut length = 0;
        while let Some(part) = content.next().await {
            let part = part.unwrap();
            assert!(part.iter().all(|byte| *byte == 7));
            length += part.len();
        }
        assert_eq!(length, 64 * 65_536);
    }
    let parts: Vec<Result<Bytes, ReductError>> = vec![Ok("str".into()), Ok("eamed".into())];
    let streamed = Record::builder()
        .timestamp(at_second(3))
        .labels(labels(&[("n", "3")]))
        .content_length(8)
        .stream(Box::pin(stream::iter(parts)))
        .build();
    assert!(bucket
        .write_batch("big")
        .add_record(streamed)
        .send()
        .await
        .unwrap()
        .is_empty());
    let record = bucket
        .read_record("big")
        .timestamp(at_second(3))
        .send()
        .await
        .unwrap();
    assert_eq!(record.bytes().await.unwrap(), "streamed");
}

pub async fn batches(Context { bucket, .. }: Context) {
    let mut batch = bucket.write_batch("e");
    // In the order of their times: the SDK sends contents as they were added.
    batch.append_record(numbered("e", 1));
    batch.append_records((2..85).map(|n| numbered("e", n)).collect());
    let batch = batch.add_record(numbered("e", 85));
    assert_eq!((batch.record_count(), batch.size()), (85, 9 * 8 + 76 * 9));
    assert!(batch.last_access() > at_second(1));
    assert!(batch.send().await.unwrap().is_empty());
    let mut batch = bucket.write_batch("e").add_record(numbered("e", 3));
    batch.clear();
    let quoted = RecordBuilder::new()
        .timestamp_us(100 * SECOND)
        .labels(labels(&[("n", "100"), ("text", "with, comma")]))
        .data("new")
        .build();
    let errors = batch
        .add_records(vec![numbered("e", 7), quoted])
        .send()
        .await
        .unwrap();
    let failed: Vec<_> = errors
        .iter()
        .map(|(ts, error)| (*ts, error.status()))
        .collect();
    assert_eq!(failed, [(7 * SECOND, ErrorCode::Conflict)]);
    let read = bucket.read_record("e").send().await.unwrap();
    assert_eq!(read.labels()["text"], "with, comma");
    let all = lines(bucket.query("e").stop_us(90 * SECOND).send().await)
        .await
        .unwrap();
    assert_eq!(all, expected("e", 1..=85));
}

fn entry_record(entry: &str, ts: u64, pairs: &[(&str, &str)], content: &str) -> Record {
    let builder = RecordBuilder::new()
        .entry(entry)
        .timestamp_us(ts)
        .labels(labels(pairs));
    builder.data(content.to_string()).build()
}

pub async fn record_batches(Context { bucket, .. }: Context) {
    let mut batch = bucket.write_record_batch();
    for i in 1..=40 {
        let n = i.to_string();
        batch.append_record(entry_record(
            "a/x",
            i,
            &[("n", &n), ("entry", "a/x")],
            &format!("record {i}"),
        ));
        let b = entry_record(
            "b",
            1000 + i,
            &[("n", &n), ("entry", "b")],
            &format!("record {i}"),
        );
        batch.append_records(vec![b]);
    }
    assert_eq!(batch.record_count(), 80);
    assert!(batch.size() > 0 && batch.last_access() > at_second(1));
    assert!(batch.send().await.unwrap().is_empty());
    let mut batch = bucket
        .write_record_batch()
        .add_record(entry_record("a/x", 1, &[], "cleared"));
    batch.clear();
    let errors = batch
        .add_record(entry_record("a/x", 3, &[], "twice"))
        .add_records(vec![
            entry_record("bad.name", 3, &[], "never"),
            entry_record("b", 3, &[("n", "0"), ("entry", "b")], "record 0"),
        ])
        .send()
        .await
        .unwrap();
    let failed: Vec<_> = errors
        .iter()
        .map(|(key, error)| (key.clone(), error.status()))
        .collect();
    assert_eq!(
        failed,
        [
            (("a/x".to_string(), 3), ErrorCode::Conflict),
            (("bad.name".to_string(), 3), ErrorCode::UnprocessableEntity),
        ]
    );
    let mut all = lines(bucket.query(&["a/x", "b"]).send().await)
        .await
        .unwrap();
    let mut wanted = [expected("a/x", 1..=40), expected("b", 0..=40)].concat();
    all.sort();
    wanted.sort();
    assert_eq!(all, wanted);
}

pub async fn updates(Context { bucket, .. }: Context) {
    write_series(&bucket, "e", 3).await;
    write_series(&bucket, "f", 2).await;
    bucket
        .update_record("e")
        .timestamp_us(SECOND)
        .update_label("state", "checked")
        .remove_label("n")
        .send()
        .await
        .unwrap();
    let first = bucket
        .read_record("e")
        .timestamp_us(SECOND)
        .send()
        .await
        .unwrap();
    assert_eq!(
        first.labels(),
        &labels(&[("state", "checked"), ("entry", "e")])
    );
    assert_eq!(first.bytes().await.unwrap(), "record 1");
    let missing = bucket
        .update_record("e")
        .timestamp_us(5)
        .update_label("a", "b")
        .send()
        .await;
    refused(missing, ErrorCode::NotFound);
    let label = |ts: u64, name: &str, value: &str| {
        RecordBuilder::new()
            .timestamp_us(ts)
            .add_label(name.to_string(), value.to_string())
            .build()
    };
    let batch = bucket
        .update_batch("e")
        .add_record(label(2 * SECOND, "n", "2, 2"));
    let errors = batch.add_record(label(9, "n", "1")).send().await.unwrap();
    assert_eq!(errors.keys().collect::<Vec<_>>(), [&9]);
    let errors = bucket
        .update_record_batch()
        .add_record(entry_record("e", 3 * SECOND, &[("n", "33")], ""))
        .add_record(entry_record("f", SECOND, &[("n", "11"), ("more", "x")], ""))
        .add_record(entry_record("f", 9, &[("n", "9")], ""))
        .send()
        .await
        .unwrap();
    assert_eq!(errors.keys().collect::<Vec<_>>(), [&("f".to_string(), 9)]);
    let read = |entry: &'static str, ts: u64| bucket.read_record(entry).timestamp_us(ts).send();
    assert_eq!(
        read("e", 2 * SECOND).await.unwrap().labels(),
        &labels(&[("n", "2, 2"), ("entry", "e")])
    );
    assert_eq!(
        read("e", 3 * SECOND).await.unwrap().labels(),
        &labels(&[("n", "33"), ("entry", "e")])
    );
    let wanted = labels(&[("n", "11"), ("more", "x"), ("entry", "f")]);
    assert_eq!(read("f", SECOND).await.unwrap().labels(), &wanted);
}

pub async fn removals(Context { bucket, .. }: Context) {
    write_series(&bucket, "e", 20).await;
    bucket
        .remove_record("e")
        .timestamp_us(SECOND)
        .send()
        .await
        .unwrap();
    bucket
        .remove_record("e")
        .timestamp(at_second(2))
        .send()
        .await
        .unwrap();
    refused(
        bucket.remove_record("e").timestamp_us(SECOND).send().await,
        ErrorCode::NotFound,
    );
    let mut batch = bucket
        .remove_batch("e")
        .add_timestamp_us(3 * SECOND)
        .add_timestamp(at_second(4))
        .add_timestamps_us(vec![5 * SECOND, 99])
        .add_timestamps(vec![at_second(6)]);
    batch.append_timestamp_us(7 * SECOND);
    batch.append_timestamp(at_second(8));
    batch.append_timestamps_us(vec![9 * SECOND]);
    batch.append_timestamps(vec![at_second(10)]);
    let errors = batch.send().await.unwrap();
    let failed: Vec<_> = errors
        .iter()
        .map(|(ts, error)| (*ts, error.status()))
        .collect();
    assert_eq!(failed, [(99, ErrorCode::NotFound)]);
    let left = lines(bucket.query("e").send().await).await.unwrap();
    assert_eq!(left, expected("e", 11..=20));
    bucket.remove_entry("e").await.unwrap();
    let is_gone = || async { bucket.entries().await.unwrap().is_empty() };
    eventually(is_gone, Duration::from_millis(20)).await;
}

pub async fn wide_removals(Context { bucket, .. }: Context) {
    write_series(&bucket, "e", 10).await;
    write_series(&bucket, "f", 3).await;
    let errors = bucket
        .remove_record_batch()
        .add_record(entry_record("e", SECOND, &[], ""))
        .add_record(entry_record("f", SECOND, &[], ""))
        .add_record(entry_record("f", 9, &[], ""))
        .send()
        .await
        .unwrap();
    assert_eq!(errors.keys().collect::<Vec<_>>(), [&("f".to_string(), 9)]);
    let by_time = bucket
        .remove_query("e")
        .start_us(3 * SECOND)
        .stop_us(5 * SECOND)
        .send();
    assert_eq!(by_time.await.unwrap(), 2);
    let by_clock = bucket
        .remove_query("e")
        .start(at_second(5))
        .stop(at_second(6))
        .send();
    assert_eq!(by_clock.await.unwrap(), 1);
    let condition = reduct_rs::condition!({"&n": {"$gte": 9}});
    let removed = bucket
        .remove_query(&["e", "f"])
        .when(condition)
        .strict(true)
        .send()
        .await;
    assert_eq!(removed.unwrap(), 2);
    let left = lines(bucket.query("e").send().await).await.unwrap();
    assert_eq!(left, expected("e", [2, 6, 7, 8]));
}
