//! A small local server that behaves like the remote API, to develop and test against without an account.
//!
//! It serves `GET /api/v2/public/execution/{id}` as the API does. The id selects the response: a finished run, one that
//! progresses over time, an oddity of real responses, or a failure. Start it with
//!
//! ```text
//! cargo run --example sandbox -- --help
//! ```
//!
//! The code also documents the API:
//! - [`api`]: the route, the two ways to authenticate, the error envelope
//! - [`executions`]: the available executions, and [`run`]: how one progresses
//! - [`oddities`]: what else a client may receive with status 200
//! - [`faults`]: what a client may receive instead

mod api;
mod catalog;
mod clock;
mod executions;
mod faults;
mod large;
mod oddities;
mod reply;
mod run;
mod server;
mod settings;

use std::io::{self, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use settings::{Request, Settings};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

const EXIT_FAILURE: u8 = 1;
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let (status, message) = match settings::from_arguments(std::env::args_os().skip(1)) {
        Ok(Request::Help) => match print(&settings::help()) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (EXIT_FAILURE, error.to_string()),
        },
        Ok(Request::Serve(settings)) => match run_until_stopped(settings) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(message) => (EXIT_FAILURE, message),
        },
        Err(message) => (EXIT_USAGE, format!("{message} (--help lists all options)")),
    };
    // If stderr is closed, there is nowhere left to report that.
    let _ = writeln!(io::stderr(), "sandbox: {message}");
    ExitCode::from(status)
}

/// Serves all connections on one thread. On return the runtime is dropped, which closes every connection.
fn run_until_stopped(settings: Settings) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("could not start: {error}"))?;
    runtime.block_on(async {
        let (listener, address) = listen(settings.listen)
            .await
            .map_err(|error| format!("could not listen on {}: {error}", settings.listen))?;
        let stop = stop_request(settings.watch_stdin).map_err(|error| format!("could not start: {error}"))?;
        tokio::spawn(server::serve(listener, Arc::new(api::Sandbox::new(settings))));
        print(&format!("listening on http://{address}\n"))
            .map_err(|error| format!("could not print the address: {error}"))?;
        stop.notified().await;
        Ok(())
    })
}

async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Is notified by SIGTERM, SIGINT, or the end of standard input.
fn stop_request(watch_stdin: bool) -> io::Result<Arc<Notify>> {
    let stop = Arc::new(Notify::new());
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        tokio::spawn(notify_on_signal(signal(kind)?, Arc::clone(&stop)));
    }
    // A terminal is not read: in the background, that would suspend the server.
    if watch_stdin && !io::stdin().is_terminal() {
        let stop = Arc::clone(&stop);
        thread::Builder::new().name("stdin".into()).spawn(move || {
            read_to_end_of_stdin();
            stop.notify_one();
        })?;
    }
    Ok(stop)
}

async fn notify_on_signal(mut signal: Signal, stop: Arc<Notify>) {
    signal.recv().await;
    stop.notify_one();
}

fn read_to_end_of_stdin() {
    let mut ignored = [0; 512];
    loop {
        match io::stdin().read(&mut ignored) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
