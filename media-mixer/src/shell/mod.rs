//! The process around the core: arguments, configuration, threads, sockets, gRPC, HTTP.

mod addresses;
mod conference_task;
mod config;
mod control;
mod directory;
mod http;
mod ports;
mod priority;
mod prompts;
mod sockets;
mod turn;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use mixer_control::proto::mixer_server::MixerServer;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tracing::info;
use tracing_subscriber::EnvFilter;

use config::Config;
use control::Control;
use directory::{Directory, DirectoryConfig};
use ports::PortPool;

/// Mixes the voices and forwards the pictures of Parley conferences.
///
/// It takes its orders from the sip-registrar over gRPC and needs no configuration: started as it is, it listens for
/// control on 127.0.0.1:7050, tells its health and numbers by HTTP on 127.0.0.1:7051 (/healthz, /metrics, /doctor), and uses UDP
/// ports 20000 to 29999 of 127.0.0.1 for media. Start it before or after the registrar, in any order.
#[derive(Debug, Parser)]
#[command(name = "media-mixer", version, after_help = AFTER_HELP)]
struct Arguments {
    /// Read this TOML file; every key is optional, a wrong one is an error.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print a configuration file with every key, its meaning and its default, and exit.
    #[arg(long)]
    print_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
enum Command {
    TurnCredentials(turn::Arguments),
}

const AFTER_HELP: &str = "\
Examples:
  media-mixer                                   on this machine only, no configuration
  media-mixer --print-config > mixer.toml       a file to start from
  media-mixer --config mixer.toml
  RUST_LOG=debug media-mixer                    more in the log (error, warn, info, debug, trace)
  media-mixer --config mixer.toml turn-credentials --name alice --ttl 1d
  curl http://127.0.0.1:7051/metrics            packets in and out per conference and member
  curl http://127.0.0.1:7051/doctor/NAME        why somebody in conference NAME is not heard or seen

SIGTERM or Ctrl-C ends all conferences and exits with 0.";

/// What main returns.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.print_config {
        let printed = std::io::stdout().write_all(config::TEMPLATE.as_bytes());
        return if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "media-mixer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    if let Some(Command::TurnCredentials(arguments)) = &arguments.command {
        return turn::print_credentials(arguments, &config);
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let media = media_runtime(&config)?;
    let mut control = Builder::new_multi_thread();
    if config.media.realtime {
        control.on_thread_start(priority::raise_control_thread);
        // This thread accepts the connections that the other one serves.
        priority::raise_control_thread();
    }
    let control = control
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the control thread")?;
    let outcome = control.block_on(serve(config, media.handle().clone()));
    // Conferences have said good-bye by now; what is left has been given up.
    media.shutdown_timeout(Duration::from_millis(200));
    control.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// The threads of the conferences: nothing else runs on them, and where permitted they go before everything else.
fn media_runtime(config: &Config) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = Builder::new_multi_thread();
    if config.media.threads > 0 {
        builder.worker_threads(config.media.threads);
    }
    if config.media.realtime {
        builder.on_thread_start(priority::raise_media_thread);
    }
    builder.thread_name("media").enable_all().build().context("cannot start the media threads")
}

async fn serve(config: Config, media: Handle) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let pool = PortPool::new(
        config.media.ports,
        Duration::from_secs(config.media.quarantine),
        rand::random::<u16>().into(),
    );
    let bind = config.media.address.usable()?;
    let directory = Directory::new(
        DirectoryConfig {
            settings: config.settings(bind)?,
            bind,
            max_conferences: config.conference.max_conferences,
            grace: Duration::from_secs(config.control.grace),
        },
        Arc::new(Mutex::new(pool)),
        media,
    );
    let control_listener = TcpListener::bind(config.control.listen)
        .await
        .with_context(|| format!("control.listen: cannot listen on {}", config.control.listen))?;
    let http_listener = TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("http.listen: cannot listen on {}", config.http.listen))?;
    let turn = config.turn.is_on().then(|| turn::start(&config)).transpose()?;
    let id = format!("{:016x}", rand::random::<u64>());
    let range = config.media.ports;
    let addresses = bind.iter().map(|ip| ip.to_string()).collect::<Vec<_>>().join(" and ");
    info!(
        control = %control_listener.local_addr()?,
        http = %http_listener.local_addr()?,
        media = %format_args!("{addresses} UDP {}-{}", range.first, range.last),
        id,
        "media-mixer is ready"
    );
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<MixerServer<Control>>().await;
    let grpc = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .add_service(health_service)
        .add_service(MixerServer::new(Control::new(directory.clone(), id)))
        .serve_with_incoming(TcpIncoming::from(control_listener).with_nodelay(Some(true)));
    tokio::select! {
        ended = grpc => ended.context("the control service failed")?,
        ended = http::serve(http_listener, directory.clone(), turn.as_ref().map(turn::Handle::asker)) => ended.context("HTTP failed")?,
        () = directory.clone().watch_foci() => {}
        _ = terminate.recv() => info!("SIGTERM: ending all conferences"),
        _ = interrupt.recv() => info!("SIGINT: ending all conferences"),
    }
    directory.end_all().await;
    info!("media-mixer has stopped");
    Ok(())
}
