// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client of a driver that waits for each answer. Those that test it use it; they need no runtime of their own.

use std::io;

use hyper_util::rt::TokioIo;
pub use prost::Message;
use tokio::{net::UnixStream, runtime::Runtime};
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint, Error, Uri},
};
use tonic_prost::ProstCodec;

/// A connection to a driver.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    channel: Channel,
}

/// Connects to a socket, whatever the address says.
#[derive(Clone, Debug)]
struct Socket(String);

impl tonic::codegen::Service<Uri> for Socket {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = tonic::codegen::BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), io::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move { Ok(TokioIo::new(UnixStream::connect(path).await?)) })
    }
}

impl Client {
    /// Connects to the driver that listens on a socket.
    ///
    /// # Errors
    /// If nobody listens there.
    ///
    /// # Panics
    /// If the system gives no epoll.
    #[allow(clippy::expect_used, reason = "a test cannot go on without")]
    pub fn connect(path: &str) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("the system has epoll");
        let endpoint = Endpoint::from_static("http://driver");
        let channel = runtime.block_on(endpoint.connect_with_connector(Socket(path.to_owned())))?;
        Ok(Self { runtime, channel })
    }

    /// Calls an RPC, such as `Probe` of [`IDENTITY`](crate::proto::IDENTITY).
    ///
    /// # Errors
    /// What the driver answers, or that it is gone.
    pub fn call<Q, A>(&self, service: &str, method: &str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let path = PathAndQuery::try_from(format!("/{service}/{method}"))
            .map_err(|why| Status::invalid_argument(why.to_string()))?;
        let mut grpc = Grpc::new(self.channel.clone());
        self.runtime.block_on(async {
            let ready = grpc.ready().await;
            ready.map_err(|why| Status::unavailable(why.to_string()))?;
            let codec = ProstCodec::<Q, A>::default();
            let answer = grpc.unary(Request::new(request), path, codec).await?;
            Ok(answer.into_inner())
        })
    }
}
