//! The sandbox, `examples/sandbox`, does what its help promises.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);
const KEY: &str = "x-api-key: tk_sandbox\r\nlinked_account_id: user_12345\r\n";
const TOKEN: &str = "authorization: Bearer sandbox.session.token\r\n";
const DOCUMENTED_ID: &str = "6a106ba44480b80424a65289";

/// A running server, killed when dropped.
struct Sandbox {
    child: Option<Child>,
    stdin: Option<ChildStdin>,
    /// Its output after the address.
    further_output: Option<JoinHandle<String>>,
    address: SocketAddr,
}

impl Sandbox {
    fn start(options: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox starts");
        let stdin = child.stdin.take();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        stdout.read_line(&mut line).expect("the sandbox prints a line");
        let url = line.strip_prefix("listening on http://").expect("the line contains the address");
        let address = url.strip_suffix('\n').and_then(|url| url.parse().ok()).expect("an address and a port");
        let further_output = Some(thread::spawn(move || {
            let mut rest = String::new();
            stdout.read_to_string(&mut rest).expect("stdout is text");
            rest
        }));
        Sandbox { child: Some(child), stdin, further_output, address }
    }

    fn get(&self, id: &str) -> Response {
        self.get_with(id, KEY)
    }

    fn get_with(&self, id: &str, headers: &str) -> Response {
        self.request("GET", &format!("/api/v2/public/execution/{id}"), headers)
    }

    fn request(&self, method: &str, path: &str, headers: &str) -> Response {
        let mut stream = self.connect();
        send(&mut stream, method, path, &format!("{headers}connection: close\r\n"));
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("the response arrives");
        Response::parse(&bytes)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the sandbox accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream
    }

    fn id(&self) -> u32 {
        self.child.as_ref().expect("still running").id()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status();
        assert!(status.expect("sh runs").success());
    }

    /// Waits for the process to exit, and checks that it printed nothing after its address.
    fn ended(mut self) -> ExitStatus {
        let mut child = self.child.take().expect("still running");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait()));
        let status = receiver.recv_timeout(PATIENCE).expect("the sandbox ends").expect("its status is known");
        let printed = self.further_output.take().expect("still read").join().expect("it was read");
        assert_eq!(printed, "");
        status
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The example is next to the folder of the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
    let program = profile.join("examples/sandbox");
    assert!(program.exists(), "{} is missing: run `cargo build --example sandbox`", program.display());
    program
}

fn run_to_end(options: &[&str]) -> Output {
    Command::new(program()).args(options).stdin(Stdio::null()).output().expect("the sandbox runs")
}

fn send(stream: &mut TcpStream, method: &str, path: &str, headers: &str) {
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: sandbox\r\n{headers}\r\n").expect("the request leaves");
}

struct Response {
    status: u16,
    head: String,
    /// As sent, with chunks joined but not decompressed.
    body: Vec<u8>,
    /// Whether all of the announced body arrived.
    is_whole: bool,
}

impl Response {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut response = Response { status, head, body: Vec::new(), is_whole: false };
        let rest = &bytes[end..];
        match response.header("content-length") {
            Some(length) => {
                response.is_whole = length == rest.len().to_string();
                response.body = rest.to_vec();
            }
            None => response.read_chunks(rest),
        }
        response
    }

    fn read_chunks(&mut self, mut rest: &[u8]) {
        while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
            let size = std::str::from_utf8(&rest[..end]).expect("a size");
            let size = usize::from_str_radix(size, 16).expect("a hexadecimal size");
            if size == 0 {
                self.is_whole = true;
                return;
            }
            self.body.extend(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 2 + size + 2..];
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

fn node_statuses(execution: &Value) -> Vec<&str> {
    let nodes = execution["nodes"].as_array().expect("an array of nodes");
    nodes.iter().filter_map(|node| node["node_status"].as_str()).collect()
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[test]
fn both_ways_to_authenticate_are_distinguished() {
    let sandbox = Sandbox::start(&[]);
    let key = "x-api-key: tk_sandbox\r\n";
    let account = "linked_account_id: user_12345\r\n";
    let cases = [
        (format!("{key}{account}"), 200, ""),
        (TOKEN.into(), 200, ""),
        (String::new(), 401, "UNAUTHORIZED"),
        (account.into(), 401, "UNAUTHORIZED"),
        (format!("x-api-key: tk_other\r\n{account}"), 401, "UNAUTHORIZED"),
        ("authorization: Bearer other\r\n".into(), 401, "UNAUTHORIZED"),
        ("authorization: Basic sandbox.session.token\r\n".into(), 401, "UNAUTHORIZED"),
        (key.into(), 400, "MISSING_REQUIRED_FIELD"),
        (format!("{key}linked_account_id: user_1\r\n"), 403, "INVALID_LINKED_ACCOUNT_ID"),
        (format!("{TOKEN}{account}"), 400, "VALIDATION_ERROR"),
        (format!("{TOKEN}{key}{account}"), 400, "VALIDATION_ERROR"),
        (format!("{key}{key}{account}"), 400, "VALIDATION_ERROR"),
    ];
    for (headers, status, error_code) in cases {
        let response = sandbox.get_with("completed", &headers);
        assert_eq!(response.status, status, "{headers}");
        if status != 200 {
            assert_eq!(response.json()["error_code"], error_code, "{headers}");
        }
    }
}

#[test]
fn credentials_can_be_chosen() {
    let sandbox =
        Sandbox::start(&["--api-key", "pk_1", "--linked-account=zoë@example.com", "--token", "a.b.c"]);
    let chosen = "x-api-key: pk_1\r\nlinked_account_id: zoë@example.com\r\n";
    assert_eq!(sandbox.get_with("completed", chosen).json()["linked_account_id"], "zoë@example.com");
    assert_eq!(sandbox.get_with("completed", "authorization: Bearer a.b.c\r\n").status, 200);
    assert_eq!(sandbox.get("completed").status, 401);
    assert_eq!(sandbox.get_with("completed", TOKEN).status, 401);
}

#[test]
fn the_documented_responses_are_sent_byte_for_byte() {
    let sandbox = Sandbox::start(&[]);
    let found = sandbox.get(DOCUMENTED_ID);
    assert_eq!((found.status, found.is_whole), (200, true));
    assert_eq!(found.header("content-type"), Some("application/json; charset=utf-8"));
    let mut checksum = flate2::Crc::new();
    checksum.update(&found.body);
    assert_eq!((found.body.len(), checksum.sum()), (643, 0x95fb_ca1f));
    assert_eq!(found.json()["nodes"][0]["latest_output"]["status"], "initialized");

    let missing = sandbox.get("unknown");
    assert_eq!(missing.status, 404);
    assert_eq!(
        missing.text(),
        "{\n  \"status_code\": 404,\n  \"http_error_type\": \"NOT_FOUND\",\n  \
         \"error_code\": \"RESOURCE_NOT_FOUND\",\n  \"message\": \"Execution not found\"\n}\n"
    );
    assert!(missing.header("x-request-id").is_some_and(is_uuid));
}

#[test]
fn other_paths_and_methods_are_refused() {
    let sandbox = Sandbox::start(&[]);
    for path in ["/", "/api/v2/public/execution", "/api/v1/public/execution/completed"] {
        let response = sandbox.request("GET", path, KEY);
        assert_eq!((response.status, &response.json()["error_code"]), (404, &"RESOURCE_NOT_FOUND".into()));
    }
    for id in ["", "completed/", "nodes-x", "error-200", "error-404-x", "large-1", "slow-", "deep-0"] {
        assert_eq!(sandbox.get(id).status, 404, "{id}");
    }
    let posted = sandbox.request("POST", "/api/v2/public/execution/completed", KEY);
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET")));
    assert!(posted.json()["request_id"].as_str().is_some_and(is_uuid));
    assert_eq!(sandbox.request("GET", "/api/v2/public/execution/completed?x=1", KEY).status, 200);
}

#[test]
fn every_id_of_the_help_is_served() {
    let help = String::from_utf8(run_to_end(&["--help"]).stdout).expect("the help is UTF-8");
    let sandbox = Sandbox::start(&["--run-seconds", "0.1"]);
    let tables = help.split_once("\nExecutions:\n").expect("the help lists executions").1;
    let ids: Vec<_> = tables
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .flat_map(|id| {
            let family = id.split_once("[-<").map(|(family, _)| family.to_owned());
            let parameter = match id {
                _ if id.contains("<status>") && id.starts_with("redirect") => "307",
                _ if id.contains("<status>") => "503",
                _ if id.contains("<milliseconds>") => "0",
                _ => "5000",
            };
            let (before, after) = (id.split(['[', '<']).next().unwrap_or(id), id.split('>').nth(1));
            let dash = if id.contains('[') { "-" } else { "" };
            let member = match after {
                Some(after) => format!("{before}{dash}{parameter}{}", after.trim_matches(']')),
                None => id.to_owned(),
            };
            family.into_iter().filter(|family| family != "dripping").chain([member])
        })
        .collect();
    assert!(ids.len() > 70, "{ids:?}");
    for id in ids.iter().filter(|id| *id != "hang-up") {
        let response = sandbox.get(id);
        assert_ne!(response.status, 404, "{id}");
        assert_eq!(response.is_whole, !id.starts_with("truncated"), "{id}");
    }
}

#[test]
fn finished_runs_match_their_status() {
    let sandbox = Sandbox::start(&[]);
    let cases = [
        ("completed", "COMPLETED", 8, "Success"),
        ("errored", "ERRORED", 8, "Waiting"),
        ("stopped", "STOPPED", 5, "Stopped"),
        ("timed-out", "TIMED_OUT", 7, "Timed_Out"),
        ("rejected", "STOPPED", 7, "Rejected"),
        ("stuck", "RUNNING", 4, "Ready"),
    ];
    for (id, status, count, last) in cases {
        let execution = sandbox.get(id).json();
        let nodes = node_statuses(&execution);
        assert_eq!((&execution["status"], nodes.len()), (&status.into(), count), "{id}");
        assert_eq!(nodes.last(), Some(&last), "{id}");
        assert_eq!(execution["completion_time"].is_string(), id == "completed", "{id}");
        assert_eq!(execution["_id"], id);
        assert_eq!(execution["createdAt"], "2025-06-02T09:14:07.311Z", "{id}");
    }
    let completed = sandbox.get("completed").json();
    assert_eq!(completed["nodes"][3]["attempts_made"], 2);
    let types: BTreeSet<_> = (0..8).map(|at| completed["nodes"][at]["node_type"].to_string()).collect();
    assert!(types.len() > 4);
    let errored = sandbox.get("errored").json();
    assert_eq!(errored["nodes"][5]["latest_output"]["error"]["error_code"], "EXTERNAL_API_ERROR");
    assert_eq!(node_statuses(&errored)[5..7], ["Errored", "Errored_and_Skipped"]);
}

/// The distinct snapshots of a run, up to the first with a final status.
fn watch(sandbox: &Sandbox, id: &str) -> Vec<Value> {
    let mut snapshots: Vec<Value> = Vec::new();
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "{id} does not end");
        let snapshot = sandbox.get(id).json();
        let is_final = !matches!(snapshot["status"].as_str(), Some("RUNNING" | "STOPPING"));
        if snapshots.last() != Some(&snapshot) {
            snapshots.push(snapshot);
        }
        if is_final {
            return snapshots;
        }
    }
}

#[test]
fn runs_progress_to_their_ends_each_with_its_own_clock() {
    let sandbox = Sandbox::start(&["--run-seconds", "0.8", "--rest-seconds", "60", "--latency", "10"]);
    let running = watch(&sandbox, "running-a");
    assert!(running.len() > 3, "{} snapshots", running.len());
    assert_eq!(running[0]["status"], "RUNNING");
    for pair in running.windows(2) {
        assert!(pair[0]["completion_percentage"].as_f64() < pair[1]["completion_percentage"].as_f64());
        assert!(node_statuses(&pair[0]).len() <= node_statuses(&pair[1]).len());
        assert_eq!(pair[0]["createdAt"], pair[1]["createdAt"]);
        assert!(pair[0]["updatedAt"].as_str() < pair[1]["updatedAt"].as_str());
    }
    let last = &running[running.len() - 1];
    assert_eq!((&last["status"], &last["completion_percentage"]), (&"COMPLETED".into(), &100.into()));
    assert_eq!(node_statuses(last), ["Success"; 8]);
    assert_eq!(sandbox.get("running-a").json()["status"], "COMPLETED");

    assert_eq!(sandbox.get("running-b").json()["status"], "RUNNING");
    assert_eq!(sandbox.get("running").json()["status"], "RUNNING");
    let failing = watch(&sandbox, "failing");
    let last = &failing[failing.len() - 1];
    assert_eq!((&last["status"], node_statuses(last)[5]), (&"ERRORED".into(), "Errored"));
    assert_eq!(&sandbox.get("failing").json(), last);
    let stopping = watch(&sandbox, "stopping-c");
    let statuses: Vec<_> = stopping.iter().map(|snapshot| snapshot["status"].as_str()).collect();
    assert_eq!(statuses, [Some("STOPPING"), Some("STOPPED")]);
}

#[test]
fn a_finished_run_restarts_after_its_rest() {
    let sandbox = Sandbox::start(&["--run-seconds", "0.2", "--rest-seconds", "0.1", "--latency", "10"]);
    let first = watch(&sandbox, "running").remove(0);
    let begun = Instant::now();
    while sandbox.get("running").json()["createdAt"] == first["createdAt"] {
        assert!(begun.elapsed() < PATIENCE, "the run does not restart");
    }
}

#[test]
fn sizes_are_as_requested() {
    let sandbox = Sandbox::start(&[]);
    for size in [4096, 5000, 65_537, 1_234_567] {
        let response = sandbox.get(&format!("large-{size}"));
        assert_eq!(response.header("content-length"), Some(&*size.to_string()));
        assert_eq!((response.body.len(), response.is_whole), (size, true));
        assert_eq!(node_statuses(&response.json()).len(), 8);
    }
    assert!(
        sandbox.get("large-1234567").json()["nodes"][7]["latest_output"]["pages"][1][0]["address"]
            .is_object()
    );
    for count in [0, 1, 200, 401] {
        let response = sandbox.get(&format!("nodes-{count}"));
        assert_eq!(response.header("transfer-encoding"), Some("chunked"));
        assert_eq!(node_statuses(&response.json()).len(), count);
    }
    let deep = sandbox.get("deep-100000");
    assert_eq!(deep.text().matches('[').count(), 100_001);
    assert_eq!(deep.text().matches(']').count(), 100_001);
    assert_eq!(sandbox.get("deep-objects-25000").text().matches("{\"in\":").count(), 25_000);
}

#[test]
fn a_large_response_is_never_complete_in_memory() -> io::Result<()> {
    let sandbox = Sandbox::start(&[]);
    let mut stream = sandbox.connect();
    let headers = format!("{KEY}connection: close\r\n");
    send(&mut stream, "GET", "/api/v2/public/execution/large-200000000", &headers);
    assert!(io::copy(&mut stream, &mut io::sink())? > 200_000_000);
    let status = std::fs::read_to_string(format!("/proc/{}/status", sandbox.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak of its memory");
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().expect("kilobytes");
    assert!(kilobytes < 40_000, "{kilobytes} kB");
    Ok(())
}

#[test]
fn oddities_match_their_ids() {
    let sandbox = Sandbox::start(&[]);
    let has = |id: &str, part: &str| {
        let response = sandbox.get(id);
        assert_eq!(response.status, 200, "{id}");
        assert!(response.text().contains(part), "{id}: {}", response.text());
    };
    has("lone-surrogate", r#"\ud83d""#);
    has("float-integers", "403.0");
    has("extreme-numbers", "1e400");
    has("repeated-key", r#""name":"First","name":"Second""#);
    has("nul-character", r"before\u0000after");
    has("missing-fields", r#"{"status":"COMPLETED"}"#);
    has("null-fields", r#""nodes":null"#);
    has("empty-nodes", r#""nodes":[]"#);
    has("nodes-object", r#""nodes":{"#);
    has("unknown-status", "PAUSED");
    has("extra-fields", "associated_workflow");
    has("envelope-200", r#""status_code": 404"#);
    has("nearly-complete", "99.9999996");
    has("html-200", "<!DOCTYPE html>");
    for text in
        [r"\u001b[2J", "\u{9b}31m", r"\r\nForged", "\u{7f}", "\u{61c}", "\u{2028}", "\u{202e}", "\u{2069}"]
    {
        has("hostile-text", text);
        assert!(sandbox.get("hostile-message").text().contains(text));
    }
    assert_eq!(sandbox.get("empty-200").body, b"");
    let broken = ["cut-json", "html-200", "two-documents", "byte-order-mark", "not-utf8"];
    for id in broken {
        assert!(serde_json::from_slice::<Value>(&sandbox.get(id).body).is_err(), "{id}");
    }
    assert!(String::from_utf8(sandbox.get("not-utf8").body).is_err());
    for id in ["float-integers", "repeated-key", "wrong-types", "odd-elements", "outputs-of-all-types"] {
        assert_eq!(sandbox.get(id).json()["status"], "COMPLETED", "{id}");
    }
}

#[test]
fn envelopes_come_in_all_variants() {
    let sandbox = Sandbox::start(&[]);
    for status in [400, 401, 403, 404, 409, 429, 499, 500, 501, 502, 599] {
        let response = sandbox.get(&format!("error-{status}"));
        let envelope = response.json();
        assert_eq!((response.status, &envelope["status_code"]), (status, &status.into()));
        assert!(envelope["http_error_type"].is_string() && envelope["error_code"].is_string());
        assert!(envelope["request_id"].as_str().is_some_and(is_uuid));
        assert_eq!(envelope["request_id"].as_str(), response.header("x-request-id"));
    }
    let header = sandbox.get("error-409-header");
    assert!(header.header("x-request-id").is_some_and(is_uuid) && header.json()["request_id"].is_null());
    let bare = sandbox.get("error-409-bare");
    assert!(bare.header("x-request-id").is_none() && bare.json()["request_id"].is_null());
    let named = sandbox.get("error-403-error").json();
    assert_eq!((&named["error"], &named["error_code"]), (&"INVALID_LINKED_ACCOUNT_ID".into(), &Value::Null));
    let swapped = sandbox.get("error-404-swapped").json();
    assert_eq!(swapped["error_code"], "NOT_FOUND");
    assert_eq!(swapped["http_error_type"], "RESOURCE_NOT_FOUND");
    let other = sandbox.get("error-404-other");
    assert_eq!((other.status, &other.json()["status_code"]), (404, &500.into()));
}

#[test]
fn gateways_have_responses_of_their_own() {
    let sandbox = Sandbox::start(&[]);
    for (id, status) in [("gateway-502", 502), ("gateway-504", 504)] {
        let page = sandbox.get(id);
        assert_eq!((page.status, page.header("content-type")), (status, Some("text/html")));
        assert!(page.text().starts_with("<html>"));
    }
    let empty = sandbox.get("empty-500");
    assert_eq!((empty.status, &*empty.body, empty.header("content-length")), (500, &b""[..], Some("0")));
    let redirect = sandbox.get("redirect");
    let target = format!("/api/v2/public/execution/{DOCUMENTED_ID}");
    assert_eq!((redirect.status, redirect.header("location")), (302, Some(&*target)));
    assert_eq!(sandbox.get("redirect-308").status, 308);
}

#[test]
fn temporary_failures_end() {
    let sandbox = Sandbox::start(&[]);
    let statuses = |id: &str, count| (0..count).map(|_| sandbox.get(id).status).collect::<Vec<_>>();
    assert_eq!(statuses("flaky-a", 6), [503, 503, 200, 503, 503, 200]);
    assert_eq!(statuses("flaky-b", 3), [503, 503, 200]);
    assert_eq!(statuses("rate-limited-once", 4), [429, 200, 429, 200]);
    assert_eq!(statuses("rate-limited-once-b", 2), [429, 200]);
    assert_eq!(sandbox.get("rate-limited").header("retry-after"), Some("1"));
    assert_eq!(sandbox.get("rate-limited-90").header("retry-after"), Some("90"));
    let dated = sandbox.get("rate-limited-date");
    let parse = |name| httpdate::parse_http_date(dated.header(name).expect("a date")).expect("an HTTP date");
    let ahead = parse("retry-after").duration_since(parse("date")).expect("a date to come");
    assert!((1..=3).contains(&ahead.as_secs()), "{ahead:?}");
}

#[test]
fn connections_break_where_intended() {
    let sandbox = Sandbox::start(&[]);
    let cut = sandbox.get("truncated");
    assert_eq!((cut.status, cut.is_whole, cut.header("content-length")), (200, false, Some("643")));
    assert_eq!(cut.body.len(), 321);
    let cut = sandbox.get("truncated-chunked");
    assert_eq!((cut.status, cut.is_whole, cut.body.len()), (200, false, 321));
    let mut stream = sandbox.connect();
    send(&mut stream, "GET", "/api/v2/public/execution/hang-up", KEY);
    let mut nothing = Vec::new();
    assert_eq!((stream.read_to_end(&mut nothing).ok(), nothing.len()), (Some(0), 0));
}

#[test]
fn slow_responses_are_slow() {
    let sandbox = Sandbox::start(&["--latency", "20"]);
    for (id, least) in [("completed", 20), ("slow-150", 170), ("dripping-0", 20), ("dripping-1", 643)] {
        let begun = Instant::now();
        let response = sandbox.get(id);
        assert!(response.is_whole && response.json()["status"] == "COMPLETED", "{id}");
        assert!(begun.elapsed() >= Duration::from_millis(least), "{id}: {:?}", begun.elapsed());
    }
}

#[test]
fn gzip_is_sent_to_clients_that_accept_it() -> io::Result<()> {
    let sandbox = Sandbox::start(&[]);
    assert_eq!(sandbox.get("gzip").header("content-encoding"), None);
    let accepting = format!("{KEY}accept-encoding: br, gzip\r\n");
    let unpack = |response: &Response| {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*response.body).read_to_string(&mut text).map(|_| text)
    };
    let packed = sandbox.get_with("gzip", &accepting);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(unpack(&packed)?, sandbox.get(DOCUMENTED_ID).text());
    let cut = sandbox.get_with("gzip-cut", &accepting);
    assert!(cut.is_whole && unpack(&cut).is_err());
    assert_eq!(sandbox.get("unknown-encoding").header("content-encoding"), Some("br"));
    Ok(())
}

#[test]
fn failures_and_limits_can_be_enabled() {
    let failing = Sandbox::start(&["--failure-rate", "100"]);
    let statuses: BTreeSet<u16> = (0..40).map(|_| failing.get("completed").status).collect();
    assert!(statuses.is_subset(&[500, 502, 503].into()) && statuses.len() > 1, "{statuses:?}");
    let half = Sandbox::start(&["--failure-rate=50"]);
    let successes = (0..200).filter(|_| half.get("missing-fields").status == 200).count();
    assert!((40..160).contains(&successes), "{successes} of 200");

    let limited = Sandbox::start(&["--rate-limit", "2"]);
    assert_eq!(limited.get("completed").status, 200);
    let refused = (0..20).map(|_| limited.get("completed")).find(|response| response.status == 429);
    assert_eq!(refused.expect("a limit of two a second is reached").header("retry-after"), Some("1"));
}

#[test]
fn connections_are_kept_alive_and_closed_at_the_end() {
    let mut sandbox = Sandbox::start(&[]);
    let mut stream = BufReader::new(sandbox.connect());
    for id in [DOCUMENTED_ID, "error-404", DOCUMENTED_ID] {
        send(stream.get_mut(), "GET", &format!("/api/v2/public/execution/{id}"), TOKEN);
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).expect("a line of the head");
            length = line.strip_prefix("content-length: ").map_or(length, |n| n.trim().parse().unwrap_or(0));
        }
        stream.read_exact(&mut vec![0; length]).expect("the body");
    }
    drop(sandbox.stdin.take());
    assert_eq!(stream.read(&mut [0]).expect("the connection is closed"), 0);
    assert_eq!(sandbox.ended().code(), Some(0));
}

#[test]
fn the_end_of_stdin_and_signals_stop_it() {
    let mut sandbox = Sandbox::start(&[]);
    sandbox.stdin.as_mut().expect("a pipe").write_all(b"ignored\n").expect("stdin is read");
    assert_eq!(sandbox.get("completed").status, 200);
    // A response in progress does not delay it.
    let mut stream = sandbox.connect();
    send(&mut stream, "GET", "/api/v2/public/execution/slow-600000", KEY);
    drop(sandbox.stdin.take());
    assert_eq!(sandbox.ended().code(), Some(0));
    for signal in ["TERM", "INT"] {
        let sandbox = Sandbox::start(&[]);
        sandbox.signal(signal);
        assert_eq!(sandbox.ended().code(), Some(0), "SIG{signal}");
    }
    let mut detached = Sandbox::start(&["--no-stdin"]);
    drop(detached.stdin.take());
    assert!((0..50).all(|_| detached.get("completed").status == 200));
    detached.signal("TERM");
    assert_eq!(detached.ended().code(), Some(0));
}

#[test]
fn addresses_are_chosen_and_checked() {
    let sandbox = Sandbox::start(&["--listen", "localhost:0"]);
    assert!(sandbox.address.ip().is_loopback() && sandbox.address.port() != 0);
    let remote = Sandbox::start(&["--listen=0.0.0.0:0", "--allow-remote"]);
    assert!(remote.address.ip().is_unspecified());

    let taken = run_to_end(&["--listen", &sandbox.address.to_string()]);
    let message = String::from_utf8_lossy(&taken.stderr);
    assert_eq!((taken.status.code(), &*taken.stdout), (Some(1), &b""[..]));
    assert!(message.starts_with(&format!("sandbox: could not listen on {}: ", sandbox.address)), "{message}");
    assert_eq!(message.lines().count(), 1);
}

#[test]
fn wrong_options_are_named() {
    let cases: [(&[&str], &str); 9] = [
        (&["--port", "1"], "unknown option \"--port\""),
        (&["completed"], "unknown option \"completed\""),
        (&["--no-stdin=1"], "unknown option \"--no-stdin=1\""),
        (&["--listen"], "--listen needs a value"),
        (&["--listen", "example.invalid:1"], "--listen wants ADDRESS:PORT"),
        (&["--listen", "0.0.0.0:0"], "0.0.0.0:0 is not a loopback address"),
        (&["--failure-rate", "101"], "--failure-rate wants 0 to 100 percent, not \"101\""),
        (&["--run-seconds", "NaN"], "--run-seconds wants 0.01 to 86400 seconds"),
        (&["--api-key="], "--api-key wants text"),
    ];
    for (options, part) in cases {
        let output = run_to_end(options);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]), "{options:?}");
        assert!(message.contains(part), "{message}");
        assert_eq!(message.lines().count(), 1);
    }
}

#[test]
fn help_is_complete() {
    let output = run_to_end(&["--help"]);
    let help = String::from_utf8_lossy(&output.stdout);
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
    let mentioned = [
        "--listen",
        "--allow-remote",
        "--no-stdin",
        "--api-key",
        "--linked-account",
        "--token",
        "--latency",
        "--failure-rate",
        "--rate-limit",
        "--run-seconds",
        "--rest-seconds",
        "tk_sandbox",
        "user_12345",
        "sandbox.session.token",
    ];
    for name in mentioned {
        assert!(help.contains(name), "{name}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 118));
}
