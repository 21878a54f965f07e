//! Server information and buckets.

use std::time::Duration;

use reduct_rs::{BucketSettings, ErrorCode, QuotaType, ResourceStatus};

use crate::support::{eventually, refused, write_series, Context, SECOND};

pub async fn information(
    Context {
        client,
        bucket,
        url,
        token,
    }: Context,
) {
    write_series(&bucket, "e", 2).await;
    client.alive().await.unwrap();
    assert_eq!(client.url().trim_end_matches('/'), url);
    assert_eq!(client.api_token(), token);
    let info = client.server_info().await.unwrap();
    assert!(info.version.as_str() >= "1.11.0");
    assert_eq!(
        (info.instance_name.as_str(), info.instance_role.as_str()),
        ("clients", "STANDALONE")
    );
    assert!(info.bucket_count >= 1 && info.usage > 0 && info.latest_record >= 2 * SECOND);
    assert!(info.license.is_none());
    let defaults = info.defaults.bucket;
    assert_eq!(defaults.quota_type, Some(QuotaType::NONE));
    assert_eq!(defaults.max_block_size, Some(64_000_000));
    assert_eq!(defaults.max_block_records, Some(1024));
    let list = client.bucket_list().await.unwrap();
    let own = list
        .buckets
        .iter()
        .find(|item| item.name == bucket.name())
        .unwrap();
    assert_eq!((own.entry_count, own.oldest_record), (1, SECOND));
    assert_eq!(own.status, ResourceStatus::Ready);
}

pub async fn settings(Context { client, .. }: Context) {
    let made = client
        .create_bucket("rs-settings")
        .quota_type(QuotaType::FIFO)
        .quota_size(1_000_000)
        .max_block_size(10_000)
        .max_block_records(99)
        .send()
        .await
        .unwrap();
    let hard = BucketSettings {
        quota_type: Some(QuotaType::HARD),
        quota_size: Some(500),
        max_block_size: None,
        max_block_records: None,
    };
    made.set_settings(hard).await.unwrap();
    let wanted = BucketSettings {
        quota_type: Some(QuotaType::HARD),
        quota_size: Some(500),
        max_block_size: Some(10_000),
        max_block_records: Some(99),
    };
    assert_eq!(made.settings().await.unwrap(), wanted);
    let twice = client.create_bucket("rs-settings").send().await;
    assert_eq!(
        refused(twice, ErrorCode::Conflict),
        "Bucket 'rs-settings' already exists"
    );
    client
        .create_bucket("rs-settings")
        .exist_ok(true)
        .send()
        .await
        .unwrap();
    client
        .create_bucket("rs-other")
        .settings(wanted)
        .send()
        .await
        .unwrap()
        .remove()
        .await
        .unwrap();
    refused(
        client.create_bucket("rs.settings").send().await,
        ErrorCode::UnprocessableEntity,
    );
    let over = made
        .write_record("e")
        .timestamp_us(1)
        .data(vec![0u8; 600])
        .send()
        .await;
    assert_eq!(
        refused(over, ErrorCode::BadRequest),
        "Quota of 'rs-settings' exceeded"
    );
    made.remove().await.unwrap();
    let is_gone = || async {
        let list = client.bucket_list().await.unwrap();
        list.buckets.iter().all(|item| item.name != "rs-settings")
    };
    eventually(is_gone, Duration::from_millis(20)).await;
    refused(client.get_bucket("rs-settings").await, ErrorCode::NotFound);
}

/// Sizes are part of the contract: 8 bytes at one second are 40, three labels add 49.
pub async fn contents(Context { bucket, url, .. }: Context) {
    assert_eq!(bucket.server_url().trim_end_matches('/'), url);
    bucket
        .write_record("entry-1")
        .timestamp_us(SECOND)
        .data("somedata")
        .send()
        .await
        .unwrap();
    bucket
        .write_record("entry-2")
        .timestamp_us(SECOND)
        .add_label("label1", "label1")
        .add_label("label2", 100)
        .add_label("label3", true)
        .data("somedata")
        .send()
        .await
        .unwrap();
    let entries = bucket.entries().await.unwrap();
    let sizes: Vec<_> = entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.size))
        .collect();
    assert_eq!(sizes, [("entry-1", 40), ("entry-2", 89)]);
    assert_eq!((entries[0].record_count, entries[0].block_count), (1, 1));
    let info = bucket.info().await.unwrap();
    assert_eq!(
        (info.entry_count, info.size, info.oldest_record),
        (2, 129, SECOND)
    );
    let full = bucket.full_info().await.unwrap();
    assert_eq!((full.info, full.entries), (info, entries));
    assert_eq!(full.settings, bucket.settings().await.unwrap());
}

pub async fn renames(
    Context {
        client, mut bucket, ..
    }: Context,
) {
    write_series(&bucket, "old/part", 3).await;
    bucket.rename_entry("old", "new").await.unwrap();
    let entries = bucket.entries().await.unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["new", "new/part"]);
    let record = bucket
        .read_record("new/part")
        .timestamp_us(2 * SECOND)
        .send()
        .await
        .unwrap();
    assert_eq!(record.bytes().await.unwrap(), "record 2");
    refused(
        bucket.rename_entry("absent", "x").await,
        ErrorCode::NotFound,
    );
    let before = bucket.name().to_string();
    let after = format!("{before}-moved");
    bucket.rename(&after).await.unwrap();
    assert_eq!(bucket.info().await.unwrap().name, after);
    client.create_bucket(&before).send().await.unwrap();
    let taken = refused(bucket.rename(&before).await, ErrorCode::Conflict);
    assert_eq!(taken, format!("Bucket '{before}' already exists"));
}
