//! A response as the tables describe it, and its body as it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use serde::Serialize;
use tokio::time::Sleep;

/// One response.
pub struct Reply {
    /// How long to wait before anything is sent.
    pub pause: Duration,
    /// `None`: the connection is closed without a response.
    pub status: Option<u16>,
    pub headers: Vec<(&'static str, String)>,
    pub body: ScriptedBody,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Reply {
            pause: Duration::ZERO,
            status: Some(status),
            headers: vec![("content-type", content_type.into())],
            body: ScriptedBody::whole(body.into()),
        }
    }

    pub fn hang_up() -> Self {
        Reply {
            pause: Duration::ZERO,
            status: None,
            headers: Vec::new(),
            body: ScriptedBody::whole(Bytes::new()),
        }
    }

    /// An indented document.
    pub fn document(status: u16, document: &impl Serialize) -> Self {
        match serde_json::to_string_pretty(document) {
            Ok(text) => Self::json(status, text + "\n"),
            Err(error) => Self::new(500, "text/plain", error.to_string()),
        }
    }

    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json; charset=utf-8", body)
    }

    pub fn html(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "text/html", body)
    }

    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn with_body(mut self, body: ScriptedBody) -> Self {
        self.body = body;
        self
    }

    pub fn after(mut self, pause: Duration) -> Self {
        self.pause += pause;
        self
    }
}

/// One step of sending a body.
pub enum Step {
    Send(Bytes),
    Pause(Duration),
    /// Close the connection, whatever the head announced.
    HangUp,
}

/// A body that is generated while it is sent.
pub struct ScriptedBody {
    steps: Box<dyn Iterator<Item = Step> + Send>,
    length: Option<u64>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl ScriptedBody {
    /// With a `length`, the response has that Content-Length; without, it is chunked.
    pub fn new(length: Option<u64>, steps: impl Iterator<Item = Step> + Send + 'static) -> Self {
        ScriptedBody { steps: Box::new(steps), length, pause: None }
    }

    pub fn whole(bytes: Bytes) -> Self {
        let send = (!bytes.is_empty()).then(|| Step::Send(bytes.clone()));
        Self::new(Some(bytes.len() as u64), send.into_iter())
    }

    /// Sends the first half of `bytes`, then hangs up.
    pub fn cut(length: Option<u64>, bytes: Bytes) -> Self {
        let half = bytes.slice(..bytes.len() / 2);
        // Without the pause, the connection could be dropped before the half is sent.
        Self::new(length, [Step::Send(half), Step::Pause(Duration::from_millis(2)), Step::HangUp].into_iter())
    }

    /// Sends one byte every `interval`.
    pub fn dripping(bytes: Bytes, interval: Duration) -> Self {
        let drop_by_drop = (0..bytes.len()).flat_map({
            let bytes = bytes.clone();
            move |at| [Step::Send(bytes.slice(at..=at)), Step::Pause(interval)]
        });
        Self::new(Some(bytes.len() as u64), drop_by_drop)
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            match self.steps.next() {
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Pause(duration)) => self.pause = Some(Box::pin(tokio::time::sleep(duration))),
                Some(Step::HangUp) => return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
