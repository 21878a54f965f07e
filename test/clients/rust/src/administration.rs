//! Tokens, replications, lifecycle policies and system events.

use std::time::Duration;

use futures_util::{pin_mut, StreamExt};
use reduct_rs::{condition, ErrorCode, LifecycleMode, LifecycleType, Permissions, ReplicationMode};

use crate::support::{
    at_second, connect, eventually, expected, lines, refused, write_series, Context,
};

fn access(full_access: bool, buckets: &[&str]) -> Permissions {
    let names: Vec<String> = buckets.iter().map(|name| name.to_string()).collect();
    Permissions {
        full_access,
        read: names.clone(),
        write: names,
    }
}

pub async fn tokens(
    Context {
        url,
        client,
        bucket,
        ..
    }: Context,
) {
    let permissions = access(false, &[bucket.name(), "other-*"]);
    let value = client
        .create_token("rs-token", permissions.clone())
        .await
        .unwrap();
    assert!(value.starts_with("rs-token-"), "{value}");
    let token = client.get_token("rs-token").await.unwrap();
    assert_eq!(token.permissions, Some(permissions));
    assert!(!token.is_provisioned && !token.is_expired);
    let limited = connect(&url, &value);
    assert_eq!(limited.me().await.unwrap().name, "rs-token");
    assert_eq!(limited.me_info().await.unwrap().name, "rs-token");
    write_series(&limited.get_bucket(bucket.name()).await.unwrap(), "e", 1).await;
    let forbidden = limited.create_bucket("rs-forbidden").send().await;
    let text = refused(forbidden, ErrorCode::Forbidden);
    assert_eq!(text, "Token 'rs-token' doesn't have full access");
    let list = client.list_tokens().await.unwrap();
    assert!(list
        .iter()
        .any(|token| token.name == "init-token" && token.is_provisioned));
    let rotated = client.rotate_token("rs-token").await.unwrap().value;
    assert_eq!(
        refused(limited.me().await, ErrorCode::Unauthorized),
        "Invalid token"
    );
    assert_eq!(connect(&url, &rotated).me().await.unwrap().name, "rs-token");
    client.delete_token("rs-token").await.unwrap();
    let text = refused(client.get_token("rs-token").await, ErrorCode::NotFound);
    assert_eq!(text, "Token 'rs-token' doesn't exist");
}

pub async fn limited_tokens(Context { url, client, .. }: Context) {
    let made = client
        .create_token_builder("rs-limited")
        .permissions(access(true, &[]))
        .expires_at(at_second(4_000_000_000).into())
        .ttl(Duration::from_secs(600))
        .ip_allowlist(vec!["127.0.0.0/8".to_string()])
        .send()
        .await
        .unwrap();
    let token = client.get_token("rs-limited").await.unwrap();
    assert_eq!(token.expires_at, Some(at_second(4_000_000_000).into()));
    assert_eq!(
        (token.ttl, token.ip_allowlist),
        (Some(600), vec!["127.0.0.0/8".to_string()])
    );
    assert_eq!(token.created_at, made.created_at);
    connect(&url, &made.value).server_info().await.unwrap();
    let elsewhere = client
        .create_token_builder("rs-elsewhere")
        .permissions(access(true, &[]));
    let elsewhere = elsewhere
        .ip_allowlist(vec!["10.0.0.1".to_string()])
        .send()
        .await
        .unwrap();
    let refusal = connect(&url, &elsewhere.value).server_info().await;
    let text = refused(refusal, ErrorCode::Unauthorized);
    assert_eq!(text, "Token is not allowed for client IP 127.0.0.1");
    client.delete_token("rs-limited").await.unwrap();
    client.delete_token("rs-elsewhere").await.unwrap();
}

pub async fn replications(
    Context {
        url,
        token,
        client,
        bucket,
    }: Context,
) {
    let target = client.create_bucket("rs-copy").send().await.unwrap();
    let create = || {
        client
            .create_replication("rs-task")
            .src_bucket(bucket.name())
            .dst_bucket("rs-copy")
            .dst_host(&url)
            .dst_token(&token)
            .entries(vec!["sensor-*".to_string()])
            .when(condition!({"&n": {"$lte": 2}}))
    };
    create().send().await.unwrap();
    refused(create().send().await, ErrorCode::Conflict);
    write_series(&bucket, "sensor-1", 3).await;
    write_series(&bucket, "other", 1).await;
    let is_delivered = || async {
        let all = lines(target.query(&["*", "sensor-1"]).send().await)
            .await
            .unwrap();
        all == expected("sensor-1", [1, 2])
    };
    eventually(is_delivered, Duration::from_millis(50)).await;
    let list = client.list_replications().await.unwrap();
    let names: Vec<_> = list
        .iter()
        .map(|task| (task.name.as_str(), task.mode))
        .collect();
    assert_eq!(names, [("rs-task", ReplicationMode::Enabled)]);
    let detail = client.get_replication("rs-task").await.unwrap();
    assert_eq!(detail.settings.src_bucket, bucket.name());
    let mut settings = detail.settings;
    settings.entries = vec!["other".to_string()];
    settings.mode = ReplicationMode::Paused;
    settings.dst_token = Some(token);
    client
        .update_replication("rs-task", settings)
        .await
        .unwrap();
    let detail = client.get_replication("rs-task").await.unwrap();
    assert_eq!(detail.settings.entries, ["other"]);
    assert_eq!(detail.info.mode, ReplicationMode::Paused);
    client
        .set_replication_mode("rs-task", ReplicationMode::Disabled)
        .await
        .unwrap();
    let detail = client.get_replication("rs-task").await.unwrap();
    assert_eq!(detail.info.mode, ReplicationMode::Disabled);
    client.delete_replication("rs-task").await.unwrap();
    refused(client.get_replication("rs-task").await, ErrorCode::NotFound);
}

pub async fn lifecycles(Context { client, bucket, .. }: Context) {
    client
        .create_lifecycle("rs-policy")
        .lifecycle_type(LifecycleType::Delete)
        .bucket(bucket.name())
        .entries(vec!["sensor-*".to_string()])
        .older_than("30d")
        .interval("1h")
        .processing_interval("12h")
        .when(condition!({"&state": {"$eq": "done"}}))
        .mode(LifecycleMode::Disabled)
        .send()
        .await
        .unwrap();
    let list = client.list_lifecycles().await.unwrap();
    assert_eq!(list.len(), 1);
    assert!(list[0].is_running && !list[0].is_provisioned && list[0].last_run.is_none());
    assert_eq!(list[0].mode, LifecycleMode::Disabled);
    let mut settings = client.get_lifecycle("rs-policy").await.unwrap().settings;
    assert_eq!(
        (settings.older_than.as_str(), settings.interval.as_str()),
        ("30d", "1h")
    );
    assert_eq!(settings.processing_interval.as_deref(), Some("12h"));
    settings.older_than = "60d".to_string();
    settings.mode = LifecycleMode::DryRun;
    client
        .update_lifecycle("rs-policy", settings.clone())
        .await
        .unwrap();
    assert_eq!(
        client.get_lifecycle("rs-policy").await.unwrap().settings,
        settings
    );
    client
        .set_lifecycle_mode("rs-policy", LifecycleMode::Enabled)
        .await
        .unwrap();
    let mode = client.get_lifecycle("rs-policy").await.unwrap().info.mode;
    assert_eq!(mode, LifecycleMode::Enabled);
    settings.older_than = "1m".to_string();
    let short = client.update_lifecycle("rs-policy", settings).await;
    refused(short, ErrorCode::UnprocessableEntity);
    client.delete_lifecycle("rs-policy").await.unwrap();
    let text = refused(client.get_lifecycle("rs-policy").await, ErrorCode::NotFound);
    assert_eq!(text, "Lifecycle 'rs-policy' does not exist");
}

pub async fn events(Context { client, .. }: Context) {
    // The bucket may be there earlier, with events of another family.
    let is_there = || async {
        let Ok(system) = client.get_bucket("$system").await else {
            return false;
        };
        let entries = system.entries().await.unwrap();
        entries
            .iter()
            .any(|entry| entry.name == "audit/clients/init-token" && entry.record_count > 0)
    };
    eventually(is_there, Duration::from_secs(1)).await;
    let system = client.get_bucket("$system").await.unwrap();
    let query = system
        .query("audit/clients/init-token")
        .send()
        .await
        .unwrap();
    pin_mut!(query);
    let event = query.next().await.unwrap().unwrap().bytes().await.unwrap();
    let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
    assert_eq!(event["token_name"], "init-token");
    refused(system.remove().await, ErrorCode::Conflict);
}
