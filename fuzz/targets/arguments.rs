//! Each argument is either rejected with a reason, or sent exactly as set and only to its destination.
//!
//! An input is a byte of choices followed by the arguments, each terminated by 0xff; a missing one is NULL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refold_fuzz::interface::{Client, Failure, INVALID_ARGUMENT, Options, until_nul};
use refold_fuzz::peer::{self, Act, Record};
use url::Url;

/// Numbers that are valid for all options, except that 9 is too small for an interval.
const NUMBERS: [u64; 4] = [60_000, 0, 9, u64::MAX];
/// Timeouts, none of which expires during a lookup.
const TIMEOUTS: [u64; 4] = [60_000, 0, 1 << 40, u64::MAX];

struct Arguments<'a> {
    choices: u8,
    base_url: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    api_key: Option<&'a [u8]>,
    linked_account_id: Option<&'a [u8]>,
    session_token: Option<&'a [u8]>,
    proxy: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
    ca_pem: Option<&'a [u8]>,
    ca_file: Option<&'a [u8]>,
    newer_token: Option<&'a [u8]>,
    header_name: Option<&'a [u8]>,
    header_value: Option<&'a [u8]>,
}

fuzz_target!(init: refold_fuzz::prepare(), |input: &[u8]| {
    let Some((choices, rest)) = input.split_first() else { return };
    let mut fields = rest.split(|byte| *byte == 0xff);
    // C strings end at the first NUL.
    let mut next = || fields.next().map(until_nul);
    let arguments = Arguments {
        choices: *choices,
        base_url: next(),
        id: next(),
        api_key: next(),
        linked_account_id: next(),
        session_token: next().filter(|token| !token.is_empty()),
        proxy: next(),
        user_agent: next(),
        ca_pem: next().filter(|pem| !pem.is_empty()),
        ca_file: next().filter(|path| !path.is_empty()),
        newer_token: next(),
        header_name: next(),
        header_value: next(),
    };
    peer::begin(Box::new(respond));
    let client = options(&arguments).client();
    assert_eq!(peer::end().0.sent.len(), 0, "a client connects before its first call");
    match client {
        Ok(client) => call(&arguments, &client),
        Err(failure) => check_rejection(&failure),
    }
});

fn options(arguments: &Arguments) -> Options {
    let options = Options::new();
    options.api_key(Some(b"a key that is"), Some(b"taken back"));
    options.api_key(arguments.api_key, arguments.linked_account_id);
    options.session_token(arguments.session_token);
    options.base_url(arguments.base_url);
    // Never the proxy of the environment.
    options.proxy(arguments.proxy.or(Some(b"")));
    options.user_agent(arguments.user_agent);
    options.header(arguments.header_name, Some(b"replaced"));
    options.header(arguments.header_name, arguments.header_value);
    options.ca_pem(arguments.ca_pem);
    // No input may name an existing file.
    let path = arguments.ca_file.map(|path| [b"/dev/null/", path].concat());
    options.ca_file(path.as_deref());
    options.allow_plaintext(arguments.choices & 0xf0);
    let number = NUMBERS[usize::from(arguments.choices >> 2 & 3)];
    let timeout = TIMEOUTS[usize::from(arguments.choices & 3)];
    options.numbers(60_000, timeout, 0, number, number);
    options
}

/// The responses of all kinds of peers: a proxy accepts everything, a server has an execution, and TLS is rejected.
fn respond(request: &[u8]) -> Vec<Act> {
    let response: &[u8] = match request {
        [b'G', ..] => b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"status\":\"COMPLETED\"}",
        [b'C', ..] => b"HTTP/1.1 200 OK\r\n\r\n",
        [5, 1, method] => return vec![Act::Send(vec![5, *method])],
        [5, ..] => &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        [1, ..] => &[1, 0],
        _ => b"\x15\x03\x03\x00\x02\x02\x28",
    };
    vec![Act::Send(response.to_vec())]
}

fn check_rejection(failure: &Failure) {
    assert_eq!(failure.code(), INVALID_ARGUMENT, "{}", failure.message());
    assert_eq!((failure.attempts(), failure.http_status(), failure.is_retryable()), (0, 0, false));
    let name = failure.message().split([' ', ':']).next().unwrap_or_default();
    let known = [
        "api_key",
        "linked_account_id",
        "session_token",
        "credentials",
        "base_url",
        "proxy",
        "user_agent",
        "header",
        "ca_pem",
        "ca_file",
        "poll_interval_ms",
        "execution_id",
    ];
    assert!(known.contains(&name), "the message does not begin with an argument: {}", failure.message());
}

fn call(arguments: &Arguments, client: &Client) {
    let mut token = arguments.session_token;
    if let Some(newer) = arguments.newer_token {
        match client.set_session_token(newer) {
            0 => token = Some(newer),
            code => assert_eq!(code, INVALID_ARGUMENT),
        }
        assert!(token.is_none() || arguments.api_key.is_none(), "a token for a client with a key");
    }
    peer::begin(Box::new(respond));
    let id = arguments.id.unwrap_or_default();
    let result = client.get(id);
    let (record, looked_up) = peer::end();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~:".contains(byte);
    let is_id = (1..=256).contains(&id.len()) && id.iter().all(allowed) && id != b"." && id != b"..";
    if !is_id {
        let failure = result.err().expect("an invalid id was accepted");
        check_rejection(&failure);
        assert_eq!((record.sent.len(), looked_up.len()), (0, 0));
        return;
    }
    assert!(result.err().is_none_or(|failure| failure.code() != INVALID_ARGUMENT));
    let proxy = arguments.proxy.filter(|proxy| !proxy.is_empty()).map(reference_url);
    let base = reference_url(arguments.base_url.unwrap_or(b"https://app.refold.ai"));
    let (Some(base), Some(proxy)) = (base, proxy.map_or(Some(None), |proxy| proxy.map(Some))) else { return };
    assert!(base.username().is_empty() && base.query().is_none() && base.fragment().is_none());
    check_address(proxy.as_ref().unwrap_or(&base), &record, &looked_up);
    if base.scheme() == "http" {
        check_head(arguments, token, id, &base, proxy.as_ref(), &record);
    }
}

/// A URL as parsed by another library; `None` if that rejects its punycode, which librefold does not check.
fn reference_url(url: &[u8]) -> Option<Url> {
    match Url::parse(std::str::from_utf8(url).expect("an accepted URL is UTF-8")) {
        Err(url::ParseError::IdnaError) => None,
        parsed => Some(parsed.expect("an accepted URL is valid")),
    }
}

/// Checks that connections go to the host and port of the URL.
fn check_address(url: &Url, record: &Record, looked_up: &[String]) {
    let default_port = match url.scheme() {
        "http" => 80,
        "https" => 443,
        _ => 1080,
    };
    let port = url.port().unwrap_or(default_port);
    assert!(!record.addresses.is_empty() && record.addresses.iter().all(|address| address.port() == port));
    let host = url.host_str().expect("a URL with a host").trim_matches(['[', ']']).to_ascii_lowercase();
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => assert!(record.addresses.iter().all(|used| used.ip() == address), "{host}"),
        Err(_) if matches!(&host[..], "localhost" | "localhost.") => {
            assert!(record.addresses.iter().all(|used| used.ip().is_loopback()));
        }
        Err(_) => assert_eq!(looked_up.first(), Some(&host)),
    }
}

/// Checks the head of a plaintext request, line by line.
fn check_head(
    arguments: &Arguments,
    token: Option<&[u8]>,
    id: &[u8],
    base: &Url,
    proxy: Option<&Url>,
    record: &Record,
) {
    let sent = record.sent.concat();
    let Some(start) = sent.windows(4).position(|window| window == b"GET ") else {
        assert!(proxy.is_some_and(|proxy| proxy.scheme() != "http"), "no request was sent");
        return;
    };
    let head = &sent[start..];
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(head).expect("a request is HTTP");
    assert_eq!(parsed, httparse::Status::Complete(head.len()), "more than one request");
    let is_for_proxy = proxy.is_some_and(|proxy| proxy.scheme() == "http");
    let origin = if is_for_proxy { base.origin().ascii_serialization() } else { String::new() };
    let prefix = base.path().trim_end_matches('/');
    let target = format!("{origin}{prefix}/api/v2/public/execution/{}", String::from_utf8_lossy(id));
    assert_eq!(request.path, Some(&target[..]));
    let mut expected: Vec<(&str, Vec<u8>)> = vec![
        ("accept", b"application/json".to_vec()),
        ("accept-encoding", b"gzip".to_vec()),
        ("host", base.as_str().split('/').nth(2).expect("an authority").into()),
        ("user-agent", user_agent(arguments)),
    ];
    match token {
        Some(token) => expected.push(("authorization", [b"Bearer ", token].concat())),
        None => {
            expected.push(("x-api-key", arguments.api_key.expect("a key").to_vec()));
            expected.push(("linked_account_id", arguments.linked_account_id.expect("an id").to_vec()));
        }
    }
    if let (Some(name), Some(value)) = (arguments.header_name, arguments.header_value) {
        let name = std::str::from_utf8(name).expect("an accepted name is ASCII");
        expected.push((name, value.trim_ascii().to_vec()));
    }
    let has_login = proxy.is_some_and(|proxy| !proxy.username().is_empty() || proxy.password().is_some());
    let mut found: Vec<(&str, Vec<u8>)> =
        request.headers.iter().map(|header| (header.name, header.value.to_vec())).collect();
    if is_for_proxy && has_login {
        let at = found.iter().position(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"));
        assert!(found.swap_remove(at.expect("a login for the proxy")).1.starts_with(b"Basic "));
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

/// The expected User-Agent. Leading whitespace is not part of a field's value.
fn user_agent(arguments: &Arguments) -> Vec<u8> {
    let own = format!("librefold/{}", refold_fuzz::interface::version());
    match arguments.user_agent.filter(|product| !product.is_empty()) {
        Some(product) => {
            [product.trim_ascii_start(), b" ", own.as_bytes()].concat().trim_ascii_start().to_vec()
        }
        None => own.into(),
    }
}
