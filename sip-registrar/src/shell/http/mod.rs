//! Everything over HTTP: `/healthz`, `/metrics`, `/doctor/…`, the interface below `/api/v1`, conference
//! control by CCMP, and the page of live conferences.

mod api;
mod board;
mod caller;
mod ccmp;
#[cfg(test)]
mod lab;
mod metrics;
mod page;
mod problem;
mod server;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use tokio::net::TcpListener;

pub(crate) use board::{Board, Numbers, Question};
pub(crate) use caller::{Caller, Tokens};

use crate::shell::config::Config;
use crate::shell::doctor;
use crate::shell::mixer::Mixer;
use crate::shell::store::Desk;

/// What the handlers ask.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    /// The loop, which owns the core.
    pub(crate) board: Board,
    /// The store.
    pub(crate) desk: Desk,
    /// The media mixer.
    pub(crate) mixer: Mixer,
    /// Who may use the interface.
    pub(crate) tokens: Tokens,
    /// What the operator has written.
    pub(crate) config: Arc<Config>,
}

impl FromRef<Services> for Board {
    fn from_ref(services: &Services) -> Self {
        services.board.clone()
    }
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, services: Services) {
    server::serve(listener, app(services)).await;
}

fn app(services: Services) -> Router {
    Router::new()
        .route("/healthz", get(metrics::healthz))
        .route("/metrics", get(metrics::metrics))
        .route("/doctor/{*patient}", get(doctor::serve))
        .merge(page::router())
        .merge(api::router())
        .merge(ccmp::router())
        .with_state(services)
}
