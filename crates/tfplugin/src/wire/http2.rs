//! HTTP/2 over one connection: requests in, answers out, each on a task of its own that runs to its end even if the
//! client goes away (a resource that is being created must be created to the end).

use super::flushed::{Waiting, Watched};
use crate::framework::Answered;
use bytes::{Buf, Bytes};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Flow-control windows for requests. A value of 5 MB then arrives in a few round trips.
const WINDOW: u32 = 4 << 20;

/// Serves a connection until it is closed, or until `closing` and all its answers are out. Every answer is a task of
/// `answers`.
pub(super) async fn serve<IO, S>(
    io: IO,
    routes: S,
    answers: TaskTracker,
    closing: CancellationToken,
) -> Result<(), h2::Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Routes,
{
    let waiting = Waiting::default();
    let mut connection = h2::server::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(4 * WINDOW)
        .handshake::<_, Bytes>(Watched::new(io, waiting.clone()))
        .await?;
    let mut open = true;
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = closing.cancelled(), if open => {
                connection.graceful_shutdown();
                open = false;
                continue;
            }
        };
        let Some(accepted) = accepted else { return Ok(()) };
        let (request, respond) = accepted?;
        answers.spawn(answer(request, respond, routes.clone(), waiting.clone()));
    }
}

/// What answers requests.
pub(super) trait Routes: Clone + Send + 'static {
    /// Answers one request. Failures are gRPC statuses.
    fn route(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Response<tonic::body::Body>> + Send;
}

async fn answer<S: Routes>(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    routes: S,
    waiting: Waiting,
) {
    let stream = respond.stream_id().as_u32();
    let answered = Answered::default();
    let mut request = request.map(RequestBody);
    request.extensions_mut().insert(answered.clone());
    let response = routes.route(request).await;
    waiting.add(stream, answered);
    if let Err(error) = send(&mut respond, response).await {
        waiting.forget(stream);
        tracing::debug!(%error, "an answer could not be sent");
    }
}

async fn send(
    respond: &mut SendResponse<Bytes>,
    response: Response<tonic::body::Body>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (parts, mut body) = response.into_parts();
    let ended = body.is_end_stream();
    let mut out = respond.send_response(Response::from_parts(parts, ()), ended)?;
    if ended {
        return Ok(());
    }
    while let Some(frame) = body.frame().await {
        let data = match frame?.into_data() {
            Ok(data) => data,
            Err(frame) => {
                out.send_trailers(frame.into_trailers().unwrap_or_else(|_| HeaderMap::new()))?;
                return Ok(());
            }
        };
        send_data(&mut out, data).await?;
    }
    out.send_data(Bytes::new(), true)?;
    Ok(())
}

/// Sends as much at a time as the client's window lets through.
async fn send_data(
    out: &mut h2::SendStream<Bytes>,
    mut data: Bytes,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    while data.has_remaining() {
        out.reserve_capacity(data.len());
        let capacity = poll_fn(|cx| out.poll_capacity(cx)).await.ok_or("the client closed the stream")??;
        out.send_data(data.split_to(capacity.min(data.len())), false)?;
    }
    Ok(())
}

/// The body of a request.
pub(super) struct RequestBody(RecvStream);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match ready!(self.0.poll_data(cx)) {
            Some(Ok(data)) => {
                self.0.flow_control().release_capacity(data.len())?;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                let trailers = ready!(self.0.poll_trailers(cx))?;
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::io::duplex;

    #[derive(Clone)]
    struct Large {
        length: usize,
        returned: Arc<AtomicBool>,
    }

    impl Routes for Large {
        async fn route(&self, request: Request<RequestBody>) -> Response<tonic::body::Body> {
            let answered = request.extensions().get::<Answered>().unwrap().clone();
            let returned = Arc::clone(&self.returned);
            answered.add(Box::new(move || returned.store(true, Ordering::SeqCst)));
            Response::new(tonic::body::Body::new(Full::new(Bytes::from(vec![7; self.length]))))
        }
    }

    /// The client's window is 64 KiB, so that an answer of a megabyte waits for the client to read.
    #[tokio::test]
    async fn the_hook_waits_for_the_last_byte() {
        const LENGTH: usize = 1 << 20;
        const WINDOW_OF_CLIENT: usize = 65_535;
        let (ours, theirs) = duplex(16 << 10);
        let routes = Large { length: LENGTH, returned: Arc::default() };
        let returned = Arc::clone(&routes.returned);
        tokio::spawn(serve(ours, routes, TaskTracker::new(), CancellationToken::new()));
        let (mut client, connection) = h2::client::handshake(theirs).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("http://localhost/").body(()).unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        let mut body = response.await.unwrap().into_body();
        let mut read = 0;
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            read += data.len();
            if read + WINDOW_OF_CLIENT < LENGTH {
                // What is beyond the window cannot have been sent.
                assert!(!returned.load(Ordering::SeqCst), "after {read} bytes");
            }
            body.flow_control().release_capacity(data.len()).unwrap();
        }
        assert_eq!(read, LENGTH);
        // The end of the stream is here, so that it was written; the flush follows in the same turn of the server.
        for _ in 0..1000 {
            if returned.load(Ordering::SeqCst) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the hook did not run");
    }

    #[tokio::test]
    async fn the_hook_does_not_run_for_an_answer_that_was_not_taken() {
        let (ours, theirs) = duplex(16 << 10);
        let routes = Large { length: 1 << 20, returned: Arc::default() };
        let returned = Arc::clone(&routes.returned);
        let answers = TaskTracker::new();
        let server = tokio::spawn(serve(ours, routes, answers.clone(), CancellationToken::new()));
        let (mut client, connection) = h2::client::handshake(theirs).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get("http://localhost/").body(()).unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        drop(response.await.unwrap());
        connection.abort();
        let _ = server.await;
        answers.close();
        answers.wait().await;
        assert!(!returned.load(Ordering::SeqCst));
    }
}
