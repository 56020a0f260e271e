//! TLS changes nothing: whatever a server sends, in records of any size that arrive in any pieces, the calls come to what
//! they come to without.
//!
//! An input is two bytes that choose the records, the pieces and the number of calls, and a script.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use refold_fuzz::interface::{Client, Failure, Options};
use refold_fuzz::peer::{self, Act, Script};
use refold_fuzz::secrets::{KEY, check_silence};
use refold_fuzz::{script, tls};
use rustls::version::{TLS12, TLS13};

const ID: &str = "6a106ba44480b80424a65289";

/// The largest records there are, small ones, and the smallest that rustls makes.
const RECORDS: [Option<usize>; 4] = [None, Some(4096), Some(256), Some(32)];

const PIECES: [usize; 4] = [usize::MAX, 16_401, 100, 1];

/// Where fuzz/run.sh makes certificates.
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
    let mut answers = script::answers(script);
    for answer in &mut answers {
        // Time is not what this is about.
        answer.retain(|act| *act != Act::Hold);
        // A stream that ends without a goodbye is cut off with TLS alone.
        if !matches!(answer.last(), Some(Act::Close | Act::Reset)) && mode & 4 != 0 {
            answer.push(Act::Close);
        }
    }
    let calls = 1 + usize::from(mode & 3);
    let most_bytes = if mode & 8 != 0 { 64 } else { 1 << 16 };
    let plain = outcomes(client("http://127.0.0.1:1", most_bytes), calls, script::play(answers.clone()));
    let version = if mode & 0x10 != 0 { &TLS12 } else { &TLS13 };
    let identity = IDENTITY.get().expect("read before");
    let config = tls::config(identity, version, RECORDS[usize::from(form & 3)]);
    let secret = tls::behind_tls(config, PIECES[usize::from(form >> 2 & 3)], script::play(answers));
    let secret = outcomes(client("https://127.0.0.1:1", most_bytes), calls, secret);
    for (plain, secret) in plain.iter().zip(&secret) {
        if mode & 4 == 0 && secret.as_ref().is_err_and(|failure| failure.0 == LOST) {
            break;
        }
        assert_eq!(plain, secret, "TLS has changed it");
    }
});

/// REFOLD_ERROR_TRANSPORT.
const LOST: i32 = -7;

/// The document, or what is known of a failure: code, HTTP status, tries.
type Outcome = Result<Vec<u8>, (i32, i32, u32)>;

fn outcomes(client: Client, calls: usize, script: Script) -> Vec<Outcome> {
    let begun = Instant::now();
    peer::begin(script);
    let outcomes = (0..calls).map(|_| match client.get(ID.as_bytes()) {
        Ok(execution) => Ok(execution.json().raw().to_vec()),
        Err(failure) => Err(known(&failure)),
    });
    let outcomes = outcomes.collect();
    assert!(begun.elapsed() < Duration::from_secs(60), "it took {:?}", begun.elapsed());
    drop(client);
    peer::end();
    outcomes
}

fn known(failure: &Failure) -> (i32, i32, u32) {
    check_silence(failure);
    (failure.code(), failure.http_status(), failure.attempts())
}

fn client(base_url: &str, most_bytes: u64) -> Client {
    let options = Options::with_key(KEY, base_url, 60_000);
    options.ca_pem(AUTHORITY.get().map(Vec::as_slice));
    options.numbers(60_000, 60_000, 0, most_bytes, 10);
    options.client().unwrap_or_else(|why| panic!("{}", why.message()))
}
