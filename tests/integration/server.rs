//! Servers and proxies on threads, each connection with a script. They end with the process.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A name that no system resolves. The certificate of the servers is for this name and for 127.0.0.1.
pub const UNRESOLVED: &str = "server.invalid";

/// The authority of the certificate. Both are valid from 2020 to 2119, and were made with `openssl ca`.
pub const CA: &str = include_str!("certificates/ca.pem");
pub const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/certificates/ca.pem");
const CERTIFICATE: &str = include_str!("certificates/server.pem");
const KEY: &str = include_str!("certificates/server.key");

/// What a server sends and receives on.
pub trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// A connection of a client.
pub struct Peer<'a> {
    stream: &'a mut dyn Stream,
}

impl Peer<'_> {
    /// The header of the next request, or `None` at the end of the connection.
    pub fn request(&mut self) -> io::Result<Option<String>> {
        let head = read_head(self.stream)?;
        Ok((!head.is_empty()).then_some(head))
    }

    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())?;
        self.stream.flush()
    }

    /// Sends a response; `fields` are further lines of its header, each with its end.
    pub fn respond(&mut self, status: &str, fields: &str, body: &str) -> io::Result<()> {
        self.send(&format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{fields}\r\n{body}", body.len()))
    }

    /// Responds with an execution of this status.
    pub fn respond_with(&mut self, status: &str) -> io::Result<()> {
        self.respond("200 OK", "", &execution(status))
    }

    /// Receives the first byte of what the client sends. If the connection is closed before the rest has been received, the
    /// system resets it.
    pub fn receive_byte(&mut self) -> io::Result<()> {
        self.stream.read_exact(&mut [0])
    }

    /// Sends nothing until the client closes the connection.
    pub fn hold(&mut self) -> io::Result<()> {
        io::copy(self.stream, &mut io::sink()).map(drop)
    }
}

/// The document of an execution with one node.
pub fn execution(status: &str) -> String {
    format!(r#"{{"_id": "run-7", "status": "{status}", "nodes": [{{"node_name": "Find customer"}}]}}"#)
}

fn read_head(stream: &mut (impl Read + ?Sized)) -> io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Accepts connections on a new port, and passes each to a thread. Returns the port.
fn listen<Work>(work: Work) -> u16
where
    Work: Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let work = Arc::new(work);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let work = work.clone();
            // Clients may close a connection at any time. What they have to receive is checked there.
            thread::spawn(move || work(stream).is_ok());
        }
    });
    port
}

/// A server.
pub struct Server {
    pub port: u16,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a server for plaintext. The script ends with its connection.
    pub fn start(script: impl Fn(&mut Peer<'_>) -> io::Result<()> + Send + Sync + 'static) -> Server {
        let accepted = Arc::<AtomicUsize>::default();
        let counter = accepted.clone();
        let port = listen(move |mut stream| {
            counter.fetch_add(1, Ordering::SeqCst);
            stream.set_nodelay(true)?;
            script(&mut Peer { stream: &mut stream })
        });
        Server { port, accepted }
    }

    /// Starts a server for TLS.
    pub fn start_tls(script: impl Fn(&mut Peer<'_>) -> io::Result<()> + Send + Sync + 'static) -> Server {
        let accepted = Arc::<AtomicUsize>::default();
        let counter = accepted.clone();
        let port = listen(move |stream| {
            counter.fetch_add(1, Ordering::SeqCst);
            stream.set_nodelay(true)?;
            let session = ServerConnection::new(tls_config()).map_err(io::Error::other)?;
            script(&mut Peer { stream: &mut StreamOwned::new(session, stream) })
        });
        Server { port, accepted }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn tls_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The number of connections so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

fn tls_config() -> Arc<ServerConfig> {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    let config = || {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let versions = builder.with_safe_default_protocol_versions().expect("versions");
        let config = versions.with_no_client_auth().with_single_cert(vec![certificate], key);
        Arc::new(config.expect("a key that fits the certificate"))
    };
    CONFIG.get_or_init(config).clone()
}

/// A proxy. It connects to a port of this machine, whatever host is requested.
pub struct Proxy {
    pub port: u16,
    requested: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts an HTTP proxy that opens tunnels for CONNECT.
    pub fn start_http() -> Proxy {
        Proxy::start(|near| {
            let head = read_head(near)?;
            let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
            let target = target.ok_or(io::ErrorKind::InvalidData)?.to_owned();
            let port = target.rsplit(':').next().and_then(|port| port.parse().ok());
            let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port.ok_or(io::ErrorKind::InvalidData)?))?;
            near.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            Ok((target, far))
        })
    }

    /// Starts a SOCKS5 proxy that requires no login and takes names (RFC 1928).
    pub fn start_socks5() -> Proxy {
        const VERSION: u8 = 5;
        const CONNECT: u8 = 1;
        const IPV4: u8 = 1;
        const NAME: u8 = 3;
        Proxy::start(|near| {
            let [version, methods] = read_bytes(near)?;
            io::copy(&mut near.take(methods.into()), &mut io::sink())?;
            near.write_all(&[VERSION, 0])?;
            let [_, command, _, kind, length] = read_bytes(near)?;
            if (version, command, kind) != (VERSION, CONNECT, NAME) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut name = String::new();
            near.take(length.into()).read_to_string(&mut name)?;
            let port = u16::from_be_bytes(read_bytes(near)?);
            let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            near.write_all(&[VERSION, 0, 0, IPV4, 0, 0, 0, 0, 0, 0])?;
            Ok((format!("{name}:{port}"), far))
        })
    }

    /// `open` reads what is requested, and connects to it.
    fn start(
        open: impl Fn(&mut TcpStream) -> io::Result<(String, TcpStream)> + Send + Sync + 'static,
    ) -> Proxy {
        let requested = Arc::<Mutex<Vec<String>>>::default();
        let targets = requested.clone();
        let port = listen(move |mut near| {
            let (target, far) = open(&mut near)?;
            targets.lock().expect("no panic").push(target);
            let (from, to) = (near.try_clone()?, far.try_clone()?);
            thread::spawn(move || forward(&from, &to).is_ok());
            forward(&far, &near)
        });
        Proxy { port, requested }
    }

    /// The hosts and ports to which tunnels were opened.
    pub fn requested(&self) -> Vec<String> {
        self.requested.lock().expect("no panic").clone()
    }
}

fn read_bytes<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn forward(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}

/// A port that refuses connections: no other socket can listen on the port of a connected one.
pub struct RefusingPort {
    _listener: TcpListener,
    connected: TcpStream,
}

impl RefusingPort {
    pub fn new() -> RefusingPort {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let connected = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        RefusingPort { _listener: listener, connected }
    }

    pub fn address(&self) -> SocketAddr {
        self.connected.local_addr().expect("an address")
    }
}

/// The address of a listener that accepts nothing and has a full backlog, so that attempts to connect do not end. Windows
/// refuses them at last, but repeats each for more than a second before it reports that.
pub fn silent_address() -> SocketAddr {
    /// How long an attempt must take to prove that the backlog is full.
    const UNDECIDED: Duration = Duration::from_millis(500);
    static LISTENER: OnceLock<(TcpListener, Vec<TcpStream>)> = OnceLock::new();
    let (listener, _) = LISTENER.get_or_init(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = std::iter::from_fn(|| TcpStream::connect_timeout(&address, UNDECIDED).ok());
        let connections = connections.collect();
        (listener, connections)
    });
    listener.local_addr().expect("an address")
}
