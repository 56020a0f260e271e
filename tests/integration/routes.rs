//! The way to the server: TLS and proxies.

use crate::api::{ID, Options, REFOLD_ERROR_TLS};
use crate::server::{CA, CA_FILE, Peer, Proxy, Server, UNRESOLVED};

fn respond(peer: &mut Peer<'_>) -> std::io::Result<()> {
    peer.request()?;
    peer.respond_with("COMPLETED")?;
    peer.hold()
}

fn assert_completes(options: Options) {
    let execution = options.client().get(ID, None).expect("an execution");
    assert_eq!(execution.status().as_deref(), Some("COMPLETED"));
}

#[test]
fn tls_trusts_an_authority_given_as_text() {
    let server = Server::start_tls(respond);
    assert_completes(Options::new(&server.tls_url()).ca_pem(CA));
}

#[test]
fn tls_trusts_an_authority_given_as_a_file() {
    let server = Server::start_tls(respond);
    assert_completes(Options::new(&server.tls_url()).ca_file(CA_FILE));
}

#[test]
fn tls_refuses_an_unknown_authority() {
    let server = Server::start_tls(respond);
    let failure = Options::new(&server.tls_url()).client().get(ID, None).expect_err("an error");
    assert_eq!(failure.code, REFOLD_ERROR_TLS as i32, "{failure:?}");
    let message = format!(
        "no trusted TLS session with 127.0.0.1:{}: the server's certificate was issued by \
         \"Integration tests\", not trusted here (refold_options_set_ca_file adds it)",
        server.port
    );
    assert_eq!(failure.message, message);
    assert!(!failure.is_retryable);
}

#[test]
fn an_http_proxy_opens_a_tunnel() {
    let (server, proxy) = (Server::start_tls(respond), Proxy::start_http());
    let target = format!("{UNRESOLVED}:{}", server.port);
    let options = Options::new(&format!("https://{target}")).ca_pem(CA);
    assert_completes(options.proxy(&format!("http://127.0.0.1:{}", proxy.port)));
    assert_eq!(proxy.requested(), [target]);
}

#[test]
fn a_socks5_proxy_opens_a_tunnel() {
    let (server, proxy) = (Server::start(respond), Proxy::start_socks5());
    let target = format!("{UNRESOLVED}:{}", server.port);
    let options = Options::new(&format!("http://{target}")).allow_plaintext();
    assert_completes(options.proxy(&format!("socks5h://127.0.0.1:{}", proxy.port)));
    assert_eq!(proxy.requested(), [target]);
}
