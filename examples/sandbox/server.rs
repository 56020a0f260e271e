//! HTTP around [`api`](crate::api).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::api::Sandbox;
use crate::reply::{Reply, ScriptedBody};

/// Accepts connections for as long as it is polled.
pub async fn serve(listener: TcpListener, sandbox: Arc<Sandbox>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve_connection(stream, Arc::clone(&sandbox)));
            }
            // The connection is already closed, or no descriptors are left: the next attempt may succeed.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve_connection(stream: TcpStream, sandbox: Arc<Sandbox>) {
    // A failure only delays responses.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(request, &sandbox));
    // A connection that ends early was closed by the client, or deliberately.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An error closes the connection without a response.
async fn respond(request: Request<Incoming>, sandbox: &Sandbox) -> io::Result<Response<ScriptedBody>> {
    let Reply { pause, status, headers, body } =
        sandbox.respond(request.method(), request.uri().path(), request.headers());
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    let status = status.ok_or(io::ErrorKind::ConnectionAborted)?;
    let response = Response::builder().status(status);
    headers
        .into_iter()
        .fold(response, |response, (name, value)| response.header(name, value))
        .body(body)
        .map_err(io::Error::other)
}
