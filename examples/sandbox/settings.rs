//! The command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::catalog::{self, Entry};

/// What the command line requests.
pub enum Request {
    Help,
    Serve(Settings),
}

/// How to serve.
pub struct Settings {
    pub listen: SocketAddr,
    allow_remote: bool,
    /// Whether the end of standard input ends the server.
    pub watch_stdin: bool,
    pub api_key: String,
    pub linked_account: String,
    pub token: String,
    /// The pause before every response.
    pub latency: Duration,
    /// The percentage of requests that fail.
    pub failure_rate: f64,
    /// The limit of requests per second, if there is one.
    pub rate_limit: Option<u32>,
    /// How long a run takes.
    pub run_time: Duration,
    /// How long a run stays finished before a request restarts it.
    pub rest_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            allow_remote: false,
            watch_stdin: true,
            api_key: "tk_sandbox".into(),
            linked_account: "user_12345".into(),
            token: "sandbox.session.token".into(),
            latency: Duration::ZERO,
            failure_rate: 0.0,
            rate_limit: None,
            run_time: Duration::from_secs(4),
            rest_time: Duration::from_secs(60),
        }
    }
}

const USAGE: &str = "\
A local stand-in for the Refold API, to develop and test against without an account.

Usage: sandbox [OPTIONS]

It serves GET /api/v2/public/execution/{id}, prints \"listening on http://ADDRESS:PORT\" once it accepts
connections, and ends with status 0 on SIGTERM, on SIGINT, or when its standard input ends (so give it a pipe
that stays open, or --no-stdin; a terminal is not watched).

Options (--option VALUE or --option=VALUE):
  --listen ADDRESS:PORT   where to listen; port 0 selects a free one  [default: 127.0.0.1:0]
  --allow-remote          allow an address that is not a loopback one
  --no-stdin              keep serving when standard input ends
  --api-key KEY           the accepted x-api-key  [default: tk_sandbox]
  --linked-account ID     the accepted linked_account_id  [default: user_12345]
  --token TOKEN           the accepted Authorization: Bearer token  [default: sandbox.session.token]
  --latency MS            wait MS milliseconds before every response  [default: 0]
  --failure-rate PERCENT  fail PERCENT of the requests, at random, with 500, 502 or 503  [default: 0]
  --rate-limit N          serve N requests per second, respond with 429 beyond  [default: no limit]
  --run-seconds N         how long a run takes, decimals allowed  [default: 4]
  --rest-seconds N        how long it stays finished before the next request restarts it  [default: 60]
  --help                  print this and exit

Exit status: 0 stopped or helped, 1 could not listen, 2 wrong options.

Authentication, by one of:
  x-api-key: tk_sandbox and linked_account_id: user_12345
  Authorization: Bearer sandbox.session.token
For the library and its examples, with the address that was printed:
  export REFOLD_BASE_URL=http://ADDRESS:PORT REFOLD_API_KEY=tk_sandbox REFOLD_LINKED_ACCOUNT_ID=user_12345
Responses: 401 without credentials or with wrong ones, 400 with both ways at once or without linked_account_id,
403 INVALID_LINKED_ACCOUNT_ID with a wrong one, 404 for unknown ids and paths, 405 for methods other than GET.

Ids. [-<name>] is optional text of your choice: each such id has its own clock or count.
";

/// The text of --help.
pub fn help() -> String {
    let mut help = String::from(USAGE);
    for (title, entries) in catalog::SECTIONS {
        help.push_str(&format!("\n{title}:\n"));
        entries.iter().for_each(|Entry { id, about, .. }| help.push_str(&format!("  {id:<32}{about}\n")));
    }
    help
}

/// Sets an option from its value; the error describes the values that it accepts.
type Setter = fn(&mut Settings, &str) -> Result<(), String>;

/// The options that take a value.
const OPTIONS: &[(&str, Setter)] = &[
    ("--listen", |settings, value| {
        settings.listen = address(value)?;
        Ok(())
    }),
    ("--api-key", |settings, value| {
        settings.api_key = credential(value)?;
        Ok(())
    }),
    ("--linked-account", |settings, value| {
        settings.linked_account = credential(value)?;
        Ok(())
    }),
    ("--token", |settings, value| {
        settings.token = credential(value)?;
        Ok(())
    }),
    ("--latency", |settings, value| {
        settings.latency = Duration::from_millis(number(value, 0, 600_000, "milliseconds")?);
        Ok(())
    }),
    ("--failure-rate", |settings, value| {
        settings.failure_rate = number(value, 0.0, 100.0, "percent")?;
        Ok(())
    }),
    ("--rate-limit", |settings, value| {
        settings.rate_limit = Some(number(value, 1, 1_000_000, "requests a second")?);
        Ok(())
    }),
    ("--run-seconds", |settings, value| {
        settings.run_time = seconds(value, 0.01)?;
        Ok(())
    }),
    ("--rest-seconds", |settings, value| {
        settings.rest_time = seconds(value, 0.0)?;
        Ok(())
    }),
];

/// Parses the command line; the error is a message for the user.
pub fn from_arguments(arguments: impl Iterator<Item = OsString>) -> Result<Request, String> {
    let mut settings = Settings::default();
    let mut arguments = arguments.map(text_argument);
    while let Some(argument) = arguments.next() {
        let argument = argument?;
        match argument.as_str() {
            "--help" | "-h" => return Ok(Request::Help),
            "--allow-remote" => settings.allow_remote = true,
            "--no-stdin" => settings.watch_stdin = false,
            _ => {
                let (option, attached) = match argument.split_once('=') {
                    Some((option, value)) => (option, Some(Ok(value.to_owned()))),
                    None => (argument.as_str(), None),
                };
                let Some((_, set)) = OPTIONS.iter().find(|(name, _)| *name == option) else {
                    return Err(format!("unknown option {argument:?}"));
                };
                let value = attached
                    .or_else(|| arguments.next())
                    .ok_or_else(|| format!("{option} needs a value"))??;
                set(&mut settings, &value)
                    .map_err(|wanted| format!("{option} wants {wanted}, not {value:?}"))?;
            }
        }
    }
    settings.check_reach()?;
    Ok(Request::Serve(settings))
}

fn text_argument(argument: OsString) -> Result<String, String> {
    argument.into_string().map_err(|argument| format!("{argument:?} is not UTF-8"))
}

impl Settings {
    fn check_reach(&self) -> Result<(), String> {
        if self.allow_remote || self.listen.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        Err(format!("{} is not a loopback address: add --allow-remote to serve other machines", self.listen))
    }
}

fn address(value: &str) -> Result<SocketAddr, String> {
    let numeric = match value.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => value.to_owned(),
    };
    numeric.parse().map_err(|_| "ADDRESS:PORT such as 127.0.0.1:8080".into())
}

fn credential(value: &str) -> Result<String, String> {
    if value.is_empty() || value.chars().any(char::is_control) {
        return Err("text without control characters".into());
    }
    Ok(value.to_owned())
}

fn seconds(value: &str, least: f64) -> Result<Duration, String> {
    number(value, least, 86_400.0, "seconds").map(Duration::from_secs_f64)
}

fn number<N: FromStr + PartialOrd + Display>(
    value: &str,
    least: N,
    most: N,
    unit: &str,
) -> Result<N, String> {
    match value.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("{least} to {most} {unit}")),
    }
}
