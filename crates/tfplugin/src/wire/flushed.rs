//! Tells when the last byte of an answer has gone to the operating system: watches the HTTP/2 frames that are
//! written, and the flushes after them. Knows no more of HTTP/2 than the frame header (RFC 9113, 4.1).

use crate::framework::Answered;
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The answers of one connection that something waits for, by stream.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<HashMap<u32, Answered>>>);

impl Waiting {
    /// To be called before the end of the stream is given to HTTP/2.
    pub(super) fn add(&self, stream: u32, answered: Answered) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(stream, answered);
    }

    /// The stream will not be answered.
    pub(super) fn forget(&self, stream: u32) -> Option<Answered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&stream)
    }
}

/// A connection whose written frames are watched.
pub(super) struct Watched<IO> {
    io: IO,
    waiting: Waiting,
    frames: Frames,
    /// Streams whose last byte is written but perhaps not flushed through TLS.
    written: Vec<u32>,
}

impl<IO> Watched<IO> {
    pub(super) fn new(io: IO, waiting: Waiting) -> Self {
        Self { io, waiting, frames: Frames::default(), written: Vec::new() }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        let this = &mut *self;
        this.frames.pass(bytes.get(..count).unwrap_or(bytes), &mut this.written);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        for stream in std::mem::take(&mut self.written) {
            if let Some(answered) = self.waiting.forget(stream) {
                // A panic here must not tear down the connection; the panic hook has logged it.
                let _ = catch_unwind(AssertUnwindSafe(|| answered.run()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Reads the frames that a server writes, which come without a preface.
#[derive(Default)]
struct Frames {
    header: Vec<u8>,
    /// Bytes of the present frame's payload that are still to come.
    payload: usize,
    /// The stream that ends with the present frame, or with the last of its continuations.
    ending: Option<u32>,
    /// The headers go on in a continuation.
    headers_open: bool,
}

const HEADER_LENGTH: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

impl Frames {
    fn pass(&mut self, mut bytes: &[u8], ended: &mut Vec<u32>) {
        while !bytes.is_empty() {
            let wanted = if self.payload > 0 { self.payload } else { HEADER_LENGTH - self.header.len() };
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            bytes = later;
            if self.payload > 0 {
                self.payload -= now.len();
            } else {
                self.header.extend_from_slice(now);
                let Ok(header) = <[u8; HEADER_LENGTH]>::try_from(self.header.as_slice()) else { continue };
                self.header.clear();
                self.begin(header);
            }
            if self.payload == 0 && !self.headers_open {
                ended.extend(self.ending.take());
            }
        }
    }

    fn begin(&mut self, [l0, l1, l2, kind, flags, s0, s1, s2, s3]: [u8; HEADER_LENGTH]) {
        self.payload = usize::try_from(u32::from_be_bytes([0, l0, l1, l2])).unwrap_or(usize::MAX);
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            self.ending = Some(stream);
        }
        if matches!(kind, HEADERS | CONTINUATION) {
            self.headers_open = flags & END_HEADERS == 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn ends(bytes: &[u8], piece: usize) -> Vec<(usize, u32)> {
        let mut frames = Frames::default();
        let mut found = Vec::new();
        let mut position = 0;
        for piece in bytes.chunks(piece) {
            position += piece.len();
            let mut ended = Vec::new();
            frames.pass(piece, &mut ended);
            found.extend(ended.into_iter().map(|stream| (position, stream)));
        }
        found
    }

    #[test]
    fn a_stream_ends_with_its_last_byte_and_not_before() {
        let settings = frame(4, 0, 0, &[0; 12]);
        let headers = frame(HEADERS, END_HEADERS, 1, b"headers");
        let data = frame(DATA, 0, 1, &[7; 300]);
        let other = frame(DATA, END_STREAM, 3, b"x");
        let trailers = frame(HEADERS, END_STREAM | END_HEADERS, 1, b"trailers");
        let bytes = [settings, headers, data, other, trailers].concat();
        let end_of_other = bytes.len() - 9 - b"trailers".len();
        for piece in [1, 2, 7, 9, 10, 64] {
            let rounded = |n: usize| n.div_ceil(piece).saturating_mul(piece).min(bytes.len());
            assert_eq!(
                ends(&bytes, piece),
                [(rounded(end_of_other), 3), (bytes.len(), 1)],
                "pieces of {piece}"
            );
        }
    }

    #[test]
    fn trailers_end_with_their_continuation() {
        let trailers = frame(HEADERS, END_STREAM, 5, b"half");
        let rest = frame(CONTINUATION, END_HEADERS, 5, b"rest");
        let bytes = [trailers, rest].concat();
        assert_eq!(ends(&bytes, 1), [(bytes.len(), 5)]);
    }

    #[test]
    fn an_empty_last_frame_ends_too() {
        let bytes = frame(DATA, END_STREAM, 9, b"");
        assert_eq!(ends(&bytes, 1), [(9, 9)]);
    }
}
