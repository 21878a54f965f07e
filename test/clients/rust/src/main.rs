//! Runs every step of the scenario against a running server and prints one JSON line per step.
//!
//! Usage: millrace-client-scenarios URL TOKEN

mod administration;
mod buckets;
mod queries;
mod records;
mod support;

use std::sync::{Arc, Mutex};

use serde_json::json;

use support::Context;

/// Runs a step as a task of its own: a panic is its failure and ends nothing else.
macro_rules! run {
    ($context:expr, $panic:expr, $($name:literal => $step:path),+ $(,)?) => {
        $(
            let context = $context.for_step($name).await;
            let failure = match tokio::spawn($step(context)).await {
                Ok(()) => None,
                Err(_) => Some($panic.lock().unwrap().take().unwrap_or_default()),
            };
            println!("{}", json!({"step": $name, "error": failure}));
        )+
    };
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().expect("URL");
    let token = arguments.next().expect("TOKEN");
    let panic_text: Arc<Mutex<Option<String>>> = Arc::default();
    let text = panic_text.clone();
    std::panic::set_hook(Box::new(move |panic| {
        text.lock().unwrap().get_or_insert(panic.to_string());
    }));
    let context = Context::new(&url, &token);
    run!(context, panic_text,
        "reads information about server and buckets" => buckets::information,
        "creates, configures and removes buckets" => buckets::settings,
        "sees entries with the sizes of the contract" => buckets::contents,
        "renames entries with their descendants, and buckets" => buckets::renames,
        "writes and reads single records with labels" => records::single,
        "writes and reads records as streams" => records::streams,
        "writes batches of one entry and gets errors per record" => records::batches,
        "writes batches of several entries and gets errors per record" => records::record_batches,
        "updates labels one by one and in batches" => records::updates,
        "removes records, batches and entries" => records::removals,
        "removes records of several entries and query results" => records::wide_removals,
        "queries by time and condition" => queries::one_entry,
        "queries several entries and patterns" => queries::several_entries,
        "follows an entry with a continuous query" => queries::continuous,
        "creates links to records that anyone can open" => queries::links,
        "writes, reads and removes attachments" => queries::attachments,
        "manages tokens and is held to their permissions" => administration::tokens,
        "makes tokens with expiry, time to live and addresses" => administration::limited_tokens,
        "manages a replication that delivers" => administration::replications,
        "manages lifecycle policies" => administration::lifecycles,
        "reads events of the $system bucket" => administration::events,
    );
}
