//! Calls over TLS have the same results as without TLS, for records of any size that arrive in pieces of any size.
//!
//! An input is two bytes that select the records, the pieces and the number of calls, followed by a script. With an alert
//! or a request for a second handshake in the script, there is no result to compare with.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use refold_fuzz::interface::{Client, Failure, Options};
use refold_fuzz::peer::{self, Act, Script};
use refold_fuzz::secrets::{KEY, check_redaction};
use refold_fuzz::{script, tls};
use rustls::version::{TLS12, TLS13};

const ID: &str = "6a106ba44480b80424a65289";

/// Record sizes: the maximum, two smaller ones, and the minimum that rustls supports.
const RECORDS: [Option<usize>; 4] = [None, Some(4096), Some(256), Some(32)];

const PIECES: [usize; 4] = [usize::MAX, 16_401, 100, 1];

/// The folder in which fuzz/run.sh makes certificates.
const CERTIFICATES: &str = "target/fuzz/certificates";

static AUTHORITY: OnceLock<Vec<u8>> = OnceLock::new();
static IDENTITY: OnceLock<tls::Identity> = OnceLock::new();

fn prepare() {
    refold_fuzz::prepare();
    let path = Path::new(CERTIFICATES).join("ca.pem");
    let authority = std::fs::read(path).expect("certificates, made by fuzz/run.sh, below the current folder");
    AUTHORITY.set(authority).expect("once");
    IDENTITY.get_or_init(|| tls::Identity::read(Path::new(CERTIFICATES)));
}

fuzz_target!(init: prepare(), |input: &[u8]| {
    let [mode, form, script @ ..] = input else { return };
    let mut responses = script::responses(script);
    for response in &mut responses {
        // Timing is not tested here.
        response.retain(|act| *act != Act::Hold);
        // Only with TLS does a stream that ends without a close_notify count as truncated.
        if !matches!(response.last(), Some(Act::Close | Act::Reset)) && mode & 4 != 0 {
            response.push(Act::Close);
        }
    }
    let calls = 1 + usize::from(mode & 3);
    let max_bytes = if mode & 8 != 0 { 64 } else { 1 << 16 };
    let has_plaintext = !responses.iter().flatten().any(is_tls_record);
    let plaintext = if has_plaintext {
        outcomes(client("http://127.0.0.1:1", max_bytes), calls, script::play(responses.clone()))
    } else {
        vec![]
    };
    let version = if mode & 0x10 != 0 { &TLS12 } else { &TLS13 };
    let identity = IDENTITY.get().expect("read before");
    let config = tls::config(identity, version, RECORDS[usize::from(form & 3)]);
    let script = tls::over_tls(config, PIECES[usize::from(form >> 2 & 3)], script::play(responses));
    let encrypted = outcomes(client("https://127.0.0.1:1", max_bytes), calls, script);
    for (plaintext, encrypted) in plaintext.iter().zip(&encrypted) {
        if mode & 4 == 0 && encrypted.as_ref().is_err_and(|failure| failure.0 == TRANSPORT) {
            break;
        }
        assert_eq!(plaintext, encrypted, "the result differs with TLS");
    }
});

/// `REFOLD_ERROR_TLS`.
const TLS: i32 = -6;

/// `REFOLD_ERROR_TRANSPORT`.
const TRANSPORT: i32 = -7;

/// Whether an action sends a record that only TLS has.
fn is_tls_record(act: &Act) -> bool {
    matches!(act, Act::Send(bytes) if tls::is_record(bytes))
}

/// The document, or code, HTTP status and attempts of a failure.
type Outcome = Result<Vec<u8>, (i32, i32, u32)>;

fn outcomes(client: Client, calls: usize, script: Script) -> Vec<Outcome> {
    let begun = Instant::now();
    peer::begin(script);
    let outcomes = (0..calls).map(|_| match client.get(ID.as_bytes()) {
        Ok(execution) => Ok(execution.json().raw().to_vec()),
        Err(failure) => Err(summary(&failure)),
    });
    let outcomes = outcomes.collect();
    assert!(begun.elapsed() < Duration::from_secs(60), "the calls took {:?}", begun.elapsed());
    drop(client);
    peer::end();
    outcomes
}

fn summary(failure: &Failure) -> (i32, i32, u32) {
    check_redaction(failure);
    // An alert is retried only if it counts as a lost connection.
    assert!(failure.code() != TLS || !failure.is_retryable(), "{}", failure.message());
    (failure.code(), failure.http_status(), failure.attempts())
}

fn client(base_url: &str, max_bytes: u64) -> Client {
    let options = Options::with_key(KEY, base_url, 60_000);
    options.ca_pem(AUTHORITY.get().map(Vec::as_slice));
    options.numbers(60_000, 60_000, 0, max_bytes, 10);
    options.client().unwrap_or_else(|failure| panic!("{}", failure.message()))
}
