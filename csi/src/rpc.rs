// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes calls on a Unix socket and answers each on a thread of its own, as all that an RPC does may wait for a drive. The one
//! room with async code; the methods know nothing of it.

use std::{
    fs, io,
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use prost::Message;
use shunt_csi::proto::{CONTROLLER, IDENTITY, NODE};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::{Grpc, NamedService, UnaryService},
    transport::Server,
};
use tonic_prost::ProstCodec;

use crate::driver::Driver;

/// So many RPCs at the same time; the others wait.
const THREADS: usize = 16;

/// Enough for what one of them does.
const STACK: usize = 512 * 1024;

/// Serves for ever.
///
/// # Errors
/// If the socket cannot be had, as another driver listens there.
pub(crate) fn serve(path: &Path, driver: Arc<Driver>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(THREADS)
        .thread_stack_size(STACK)
        .thread_keep_alive(Duration::from_secs(10))
        .build()?;
    runtime.block_on(async {
        let listener = bind(path)?;
        log::info!("listening on {}", path.display());
        Server::builder()
            .serve_with_incoming(Rpcs(driver), UnixListenerStream::new(listener))
            .await
            .map_err(io::Error::other)
    })
}

/// Takes the place of a driver that is gone, and not of one that is there.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        let why = format!("another driver listens on {}", path.display());
        return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    }
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    UnixListener::bind(path)
}

/// What is called by a path.
#[derive(Clone, Debug)]
struct Rpcs(Arc<Driver>);

impl NamedService for Rpcs {
    const NAME: &'static str = "csi.v1";
}

/// A table of paths: each service with its methods, and what of the driver answers each.
macro_rules! methods {
    ($driver:expr, $request:expr; $($service:ident { $($name:literal => $method:ident),* $(,)? })*) => {{
        let path = $request.uri().path().to_owned();
        match path.strip_prefix('/').and_then(|path| path.split_once('/')) {
            $($(Some(($service, $name)) => answer($driver, $name, Driver::$method, $request),)*)*
            _ => Box::pin(async move {
                Ok(Status::unimplemented(format!("there is no {path}")).into_http())
            }),
        }
    }};
}

impl Service<http::Request<Body>> for Rpcs {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let driver = Arc::clone(&self.0);
        methods!(driver, request;
            IDENTITY {
                "GetPluginInfo" => plugin_info,
                "GetPluginCapabilities" => plugin_capabilities,
                "Probe" => probe,
            }
            CONTROLLER {
                "CreateVolume" => create_volume,
                "DeleteVolume" => delete_volume,
                "ValidateVolumeCapabilities" => validate_volume_capabilities,
                "GetCapacity" => capacity,
                "ControllerGetCapabilities" => controller_capabilities,
            }
            NODE {
                "NodeStageVolume" => stage_volume,
                "NodeUnstageVolume" => unstage_volume,
                "NodePublishVolume" => publish_volume,
                "NodeUnpublishVolume" => unpublish_volume,
                "NodeGetVolumeStats" => volume_stats,
                "NodeGetVolumeHealth" => volume_health,
                "NodeGetStorageHealth" => storage_health,
                "NodeExpandVolume" => expand_volume,
                "NodeGetCapabilities" => node_capabilities,
                "NodeGetInfo" => node_info,
            }
        )
    }
}

/// What answers a method.
type Method<Q, A> = fn(&Driver, Q) -> Result<A, Status>;

/// Answers a call.
fn answer<Q, A>(
    driver: Arc<Driver>,
    name: &'static str,
    method: Method<Q, A>,
    request: http::Request<Body>,
) -> BoxFuture<http::Response<Body>, std::convert::Infallible>
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
{
    Box::pin(async move {
        let mut grpc = Grpc::new(ProstCodec::<A, Q>::default());
        let call = Call {
            driver,
            name,
            method,
        };
        Ok(grpc.unary(call, request).await)
    })
}

struct Call<Q, A> {
    driver: Arc<Driver>,
    name: &'static str,
    method: Method<Q, A>,
}

impl<Q: Send + 'static, A: Send + 'static> UnaryService<Q> for Call<Q, A> {
    type Response = A;
    type Future = BoxFuture<Response<A>, Status>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let (driver, name, method) = (Arc::clone(&self.driver), self.name, self.method);
        Box::pin(async move {
            let begin = Instant::now();
            let request = request.into_inner();
            let done = tokio::task::spawn_blocking(move || method(&driver, request)).await;
            // A method that panics ends the process; the program is built so.
            let result = done.unwrap_or_else(|why| Err(Status::internal(why.to_string())));
            let took = begin.elapsed();
            match &result {
                Ok(_) => log::debug!("{name}: done in {took:?}"),
                Err(why) => log::warn!("{name}: {:?}: {}", why.code(), why.message()),
            }
            result.map(Response::new)
        })
    }
}
