//! One request over gRPC.

use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Request, Response};

use crate::proto::mixer_client::MixerClient;
use crate::{LegHealth, LegRef, LegStats, MixerError, MixerReply, MixerRequest, proto};

/// Sends one request and waits for the reply, `deadline` at most; the deadline travels along, so
/// that the mixer does not work for a focus that has given up. A clone of a client is cheap: call
/// from as many tasks as there are requests.
///
/// # Errors
/// What the mixer refused with; [`MixerError::Unavailable`] if it
/// cannot be reached or does not reply in time.
pub async fn call(
    mut client: MixerClient<Channel>,
    request: MixerRequest,
    deadline: Duration,
) -> MixerReply {
    let sdp = |reply: Response<proto::Description>| Ok(Some(reply.into_inner().sdp));
    let done = |_: Response<proto::Empty>| Ok(None);
    match request {
        MixerRequest::Join(join) => sdp(client.join(timed(join, deadline)).await?),
        MixerRequest::Reoffer(offer) => sdp(client.reoffer(timed(offer, deadline)).await?),
        MixerRequest::Offer(leg) => sdp(client.offer(timed(leg, deadline)).await?),
        MixerRequest::Accept(answer) => done(client.accept(timed(answer, deadline)).await?),
        MixerRequest::Leave(leg) => done(client.leave(timed(leg, deadline)).await?),
        MixerRequest::End(conference) => {
            let conference = proto::ConferenceRef { conference };
            done(client.end(timed(conference, deadline)).await?)
        }
        MixerRequest::RefreshVideo(leg) => done(client.refresh_video(timed(leg, deadline)).await?),
        MixerRequest::Control { leg: LegRef { conference, leg }, muted, lobby } => {
            let request = proto::ControlRequest { conference, leg, muted, lobby };
            done(client.control(timed(request, deadline)).await?)
        }
        MixerRequest::Park { leg: LegRef { conference, leg }, parked } => {
            let request = proto::ParkRequest { conference, leg, parked };
            done(client.park(timed(request, deadline)).await?)
        }
        MixerRequest::Play { leg: LegRef { conference, leg }, prompts } => {
            let prompts = prompts.into_iter().map(|p| proto::Prompt::from(p).into()).collect();
            let request = proto::PlayRequest { conference, leg, prompts };
            done(client.play(timed(request, deadline)).await?)
        }
    }
}

/// Asks how the media of a conference is doing, or of one leg of it.
///
/// # Errors
/// As [`call()`].
pub async fn doctor(
    mut client: MixerClient<Channel>,
    conference: &str,
    leg: Option<&str>,
    deadline: Duration,
) -> Result<Vec<LegHealth>, MixerError> {
    let leg = leg.unwrap_or_default().to_owned();
    let request = proto::DoctorRequest { conference: conference.to_owned(), leg };
    let reply = client.doctor(timed(request, deadline)).await?;
    Ok(reply.into_inner().legs.into_iter().map(Into::into).collect())
}

/// Asks for the numbers of all legs of a conference, in order of joining.
///
/// # Errors
/// As [`call()`].
pub async fn stats(
    mut client: MixerClient<Channel>,
    conference: &str,
    deadline: Duration,
) -> Result<Vec<LegStats>, MixerError> {
    let request = proto::ConferenceRef { conference: conference.to_owned() };
    let reply = client.stats(timed(request, deadline)).await?;
    Ok(reply.into_inner().legs.into_iter().map(Into::into).collect())
}

fn timed<T>(message: impl Into<T>, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message.into());
    request.set_timeout(deadline);
    request
}
