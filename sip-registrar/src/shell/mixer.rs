//! The way to the media mixer: commands over gRPC, and the stream of its events.

use std::net::SocketAddr;
use std::time::Duration;

use mixer_control::proto::mixer_client::MixerClient;
use mixer_control::{LegHealth, LegStats, MixerError, MixerEvent, MixerRequest, proto};
use sip_registrar::{CommandId, Input};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};

/// How long to wait before the mixer is looked for again; doubled each time up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// A mixer that may be there or not; it is looked for until the process ends.
#[derive(Debug, Clone)]
pub(crate) struct Mixer {
    client: MixerClient<Channel>,
    deadline: Duration,
    inputs: mpsc::Sender<Input>,
}

impl Mixer {
    /// Starts to look for the mixer. Replies and events go to `inputs`. A command gets its reply
    /// within `deadline` plus a moment, be it that there was none.
    pub(crate) fn start(
        address: SocketAddr,
        focus: String,
        deadline: Duration,
        inputs: mpsc::Sender<Input>,
    ) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(Duration::from_secs(1))
            .tcp_nodelay(true)
            // A mixer that hangs, or whose machine is gone, must be noticed without traffic.
            .http2_keep_alive_interval(Duration::from_secs(2))
            .keep_alive_timeout(Duration::from_secs(3))
            .keep_alive_while_idle(true)
            .connect_lazy();
        let client = MixerClient::new(channel);
        tokio::spawn(follow_events(client.clone(), focus, inputs.clone()));
        Ok(Mixer { client, deadline, inputs })
    }

    /// Asks how the media of a conference is doing.
    pub(crate) async fn doctor(&self, conference: &str) -> Result<Vec<LegHealth>, MixerError> {
        mixer_control::doctor(self.client.clone(), conference, None, self.deadline).await
    }

    /// Asks how loud everybody of a conference is, and how its media flow.
    pub(crate) async fn stats(&self, conference: &str) -> Result<Vec<LegStats>, MixerError> {
        mixer_control::stats(self.client.clone(), conference, self.deadline).await
    }

    /// Sends a command; its reply arrives as an input.
    pub(crate) fn send(&self, id: CommandId, request: MixerRequest) {
        let Mixer { client, deadline, inputs } = self.clone();
        tokio::spawn(async move {
            let reply = mixer_control::call(client, request, deadline).await;
            let _ = inputs.send(Input::MixerReply { id, reply }).await;
        });
    }
}

async fn follow_events(
    mut client: MixerClient<Channel>,
    focus: String,
    inputs: mpsc::Sender<Input>,
) {
    let mut pause = RETRY_MIN;
    while !inputs.is_closed() {
        let request = proto::EventsRequest { focus: focus.clone() };
        match client.events(request).await {
            Ok(stream) => {
                pause = RETRY_MIN;
                let mut stream = stream.into_inner();
                while let Ok(Some(message)) = stream.message().await {
                    match MixerEvent::try_from(message) {
                        Ok(event) => {
                            if inputs.send(Input::MixerEvent(event)).await.is_err() {
                                return;
                            }
                        }
                        Err(error) => tracing::debug!(%error, "event of the mixer skipped"),
                    }
                }
            }
            Err(status) => tracing::debug!(%status, "the media mixer is not there"),
        }
        if inputs.send(Input::MixerDown).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}
