//! No record that the library or a dependency passes to the `log` crate contains a secret.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use log::{LevelFilter, Log, Metadata, Record};
use refold::client::Client;
use refold::options::Options;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

type Outcome<T> = Result<T, Box<dyn Error>>;

const KEY: &str = "tk_key-that-must-not-be-seen";
const TOKEN: &str = "token.that-must-not.be-seen";
const NEWER_TOKEN: &str = "newer-token.that-must-not.be-seen";
const PASSWORD: &str = "password-that-must-not-be-seen";
/// The middle of `user:password-that-...` in base64.
const PASSWORD_IN_BASE64: &str = "Nzd29yZC10aGF0LW11c3Qtbm90LWJlLXNlZW";

static RECORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Collector;

impl Log for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = format!("{} {} {}", record.level(), record.target(), record.args());
        RECORDS.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    fn flush(&self) {}
}

fn take_records() -> Vec<String> {
    std::mem::take(&mut RECORDS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The head of the next request, or an empty string if there is none.
fn read_head(stream: &mut impl Read) -> Outcome<String> {
    let mut head = String::new();
    let mut lines = BufReader::with_capacity(1, stream);
    while lines.read_line(&mut head)? > 2 {}
    Ok(head)
}

/// Responds to a request for `good` with an execution, and to any other with an error that echoes the request.
fn serve(mut stream: impl Read + Write) -> Outcome<()> {
    loop {
        let head = read_head(&mut stream)?;
        if head.is_empty() {
            return Ok(());
        }
        let (status, body) = if head.contains("/good ") {
            ("200 OK", r#"{"status": "COMPLETED"}"#.to_string())
        } else {
            ("404 Not Found", format!("{{\"message\": {:?}}}", head))
        };
        let secret = head.lines().find(|line| line.contains("seen")).unwrap_or_default();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nx-echo: {secret}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        stream.flush()?;
    }
}

/// Starts a server on a thread that ends with the test process.
fn start<Work>(work: Work) -> Outcome<SocketAddr>
where
    Work: Fn(TcpStream) -> Outcome<()> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let work = Arc::new(work);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let work = work.clone();
            thread::spawn(move || work(stream).is_ok());
        }
    });
    Ok(address)
}

/// A proxy that opens every tunnel that CONNECT requests.
fn serve_proxy(mut near: TcpStream) -> Outcome<()> {
    let head = read_head(&mut near)?;
    let target = head.split(' ').nth(1).ok_or("no target")?.to_string();
    let mut far = TcpStream::connect(target)?;
    near.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from, mut to) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || std::io::copy(&mut from, &mut to).is_ok());
    std::io::copy(&mut far, &mut near)?;
    Ok(())
}

fn certificates() -> Outcome<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("log-certificates");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/certificates.sh");
    let made = Command::new("sh").arg(script).arg(&folder).status()?;
    if made.success() { Ok(folder) } else { Err("no certificates".into()) }
}

fn start_secure(folder: &Path) -> Outcome<SocketAddr> {
    let chain = CertificateDer::pem_file_iter(folder.join("good.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("good.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let config = Arc::new(config);
    start(move |stream| serve(StreamOwned::new(ServerConnection::new(config.clone())?, stream)))
}

fn options(url: &str, folder: &Path, has_token: bool) -> Options {
    let mut options = Options::new();
    options.set_base_url(Some(url.as_bytes()));
    options.set_ca_file(Some(folder.join("ca.pem").as_os_str().as_encoded_bytes()));
    options.set_max_retries(0);
    if has_token {
        options.set_session_token(Some(TOKEN.as_bytes()));
    } else {
        options.set_api_key(Some(KEY.as_bytes()), Some(b"account"));
    }
    options
}

/// Makes successful and failing calls, on new and on reused connections.
fn call(options: &Options) -> Outcome<()> {
    let client = Client::new(options).map_err(|error| error.message().into_owned())?;
    for id in ["good", "bad", "good"] {
        let result = client.get(Some(id.as_bytes()), None);
        assert_eq!(result.is_ok(), id == "good");
    }
    if client.set_session_token(Some(NEWER_TOKEN.as_bytes())).is_ok() {
        assert!(client.get(Some(b"good"), None).is_ok());
    }
    Ok(())
}

#[test]
fn no_log_record_contains_a_secret() -> Outcome<()> {
    static COLLECTOR: Collector = Collector;
    log::set_logger(&COLLECTOR).map_err(|error| error.to_string())?;
    log::set_max_level(LevelFilter::Trace);
    let folder = certificates()?;
    let plaintext = format!("http://{}", start(serve)?);
    let secure = format!("https://{}", start_secure(&folder)?);
    let proxy = start(serve_proxy)?;
    for url in [&plaintext, &secure] {
        for has_token in [false, true] {
            call(&options(url, &folder, has_token))?;
        }
    }
    let mut through = options(&secure, &folder, false);
    through.set_proxy(Some(format!("http://user:{PASSWORD}@{proxy}").as_bytes()));
    call(&through)?;
    // A refused connection: no other socket can listen on the port of a connected one.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let connection = TcpStream::connect(listener.local_addr()?)?;
    let nowhere = connection.local_addr()?;
    let client = Client::new(&options(&format!("http://{nowhere}"), &folder, true))
        .map_err(|error| error.message().into_owned())?;
    assert!(client.get(Some(b"good"), None).is_err());

    let records = take_records();
    assert!(records.iter().any(|record| record.starts_with("TRACE")), "no record was collected: {records:?}");
    for secret in [KEY, TOKEN, NEWER_TOKEN, PASSWORD, PASSWORD_IN_BASE64] {
        let leak = records.iter().find(|record| record.contains(secret));
        assert_eq!(leak, None, "{secret}");
    }
    Ok(())
}
