//! [`GatheredWrites`]: the answers of several HTTP/2 streams in one write.
//!
//! Each answer wakes the connection, and the runtime polls that next, before the tasks whose
//! answers are as near. So a connection wrote each answer by a system call of its own, which the
//! client also read by one of its own.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How a connection over HTTP/2 begins (RFC 9113 section 3.4). No method of HTTP/1.1 does.
const PREFACE: &[u8] = b"PRI ";

pin_project! {
    /// Lets all tasks that can run do so before each write, if the connection is HTTP/2.
    pub(crate) struct GatheredWrites<I> {
        #[pin]
        stream: I,
        is_http2: Option<bool>,
        has_waited: bool,
    }
}

impl<I> GatheredWrites<I> {
    pub(crate) fn new(stream: I) -> Self {
        Self {
            stream,
            is_http2: None,
            has_waited: false,
        }
    }

    /// The stream, when it may be written.
    fn poll_turn(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Pin<&mut I>> {
        let this = self.project();
        if *this.is_http2 == Some(true) && !*this.has_waited {
            *this.has_waited = true;
            // The runtime polls a task that wakes itself after those that wait already.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(this.stream)
    }
}

impl<I: AsyncRead> AsyncRead for GatheredWrites<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buffer.filled().len();
        ready!(this.stream.poll_read(cx, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        if this.is_http2.is_none() {
            *this.is_http2 = Some(read.starts_with(PREFACE));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite> AsyncWrite for GatheredWrites<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx)).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx)).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        // Everything that was gathered is written: what comes now waits again.
        *this.has_waited = false;
        this.stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// A connection whose client has sent this.
    async fn begun(
        by: &[u8],
    ) -> (
        GatheredWrites<tokio::io::DuplexStream>,
        tokio::io::DuplexStream,
    ) {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut ours = GatheredWrites::new(ours);
        theirs.write_all(by).await.unwrap();
        let mut read = vec![0; by.len()];
        ours.read_exact(&mut read).await.unwrap();
        assert_eq!(read, by);
        (ours, theirs)
    }

    #[tokio::test]
    async fn each_gathering_of_http2_waits_once() {
        let (mut ours, mut theirs) = begun(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        for text in [b"first", b"other"] {
            assert!(poll!(std::pin::pin!(ours.write(text))).is_pending());
            ours.write_all(text).await.unwrap();
            assert!(
                poll!(std::pin::pin!(ours.write(text))).is_ready(),
                "the same"
            );
            ours.flush().await.unwrap();
            let mut read = [0; 10];
            theirs.read_exact(&mut read).await.unwrap();
            assert_eq!(read, [*text, *text].concat()[..]);
        }
    }

    #[tokio::test]
    async fn http1_does_not_wait() {
        for start in [&b"POST /mcp HTTP/1.1\r\n"[..], b"P", b"GET / HTTP/1.1\r\n"] {
            let (mut ours, _theirs) = begun(start).await;
            assert!(poll!(std::pin::pin!(ours.write(b"x"))).is_ready());
        }
    }
}
