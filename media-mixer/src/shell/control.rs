//! The control service: gRPC in, commands out.

use std::pin::Pin;

use mixer_control::proto::mixer_server::Mixer;
use mixer_control::{
    JoinRequest, LegDescription, LegRef, MixerError, MixerEvent, play_request, proto,
};
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status};
use tracing::info;

use super::conference_task::Command;
use super::directory::Directory;

/// The largest description we read; a browser with many m-lines sends 31 KB.
const MAX_SDP: usize = 256 * 1024;

/// The gRPC service.
#[derive(Debug)]
pub(crate) struct Control {
    directory: Directory,
    /// Random per process start.
    id: String,
}

impl Control {
    /// A service for these conferences; `id` tells one start of the mixer from another.
    pub(crate) fn new(directory: Directory, id: String) -> Self {
        Self { directory, id }
    }
}

fn description(sdp: Result<String, MixerError>) -> Result<Response<proto::Description>, Status> {
    Ok(Response::new(proto::Description { sdp: sdp? }))
}

fn empty(done: Result<(), MixerError>) -> Result<Response<proto::Empty>, Status> {
    done?;
    Ok(Response::new(proto::Empty {}))
}

fn check_size(sdp: &str) -> Result<(), Status> {
    if sdp.len() > MAX_SDP {
        return Err(MixerError::Invalid(format!("description longer than {MAX_SDP} bytes")).into());
    }
    Ok(())
}

#[tonic::async_trait]
impl Mixer for Control {
    async fn join(
        &self,
        request: Request<proto::JoinRequest>,
    ) -> Result<Response<proto::Description>, Status> {
        let request = JoinRequest::try_from(request.into_inner())?;
        check_size(request.offer.as_deref().unwrap_or_default())?;
        description(self.directory.join(request).await)
    }

    async fn reoffer(
        &self,
        request: Request<proto::LegDescription>,
    ) -> Result<Response<proto::Description>, Status> {
        let LegDescription { leg, sdp } = request.into_inner().try_into()?;
        check_size(&sdp)?;
        let command = |reply| Command::Reoffer { leg: leg.leg, offer: sdp, reply };
        description(self.directory.ask(&leg.conference, command).await)
    }

    async fn offer(
        &self,
        request: Request<proto::LegRef>,
    ) -> Result<Response<proto::Description>, Status> {
        let LegRef { conference, leg } = request.into_inner().try_into()?;
        description(self.directory.ask(&conference, |reply| Command::Offer { leg, reply }).await)
    }

    async fn accept(
        &self,
        request: Request<proto::LegDescription>,
    ) -> Result<Response<proto::Empty>, Status> {
        let LegDescription { leg, sdp } = request.into_inner().try_into()?;
        check_size(&sdp)?;
        let command = |reply| Command::Accept { leg: leg.leg, answer: sdp, reply };
        empty(self.directory.ask(&leg.conference, command).await)
    }

    async fn leave(
        &self,
        request: Request<proto::LegRef>,
    ) -> Result<Response<proto::Empty>, Status> {
        let LegRef { conference, leg } = request.into_inner().try_into()?;
        match self.directory.ask(&conference, |reply| Command::Leave { leg, reply }).await {
            // Gone already is what was wanted.
            Ok(()) | Err(MixerError::NotFound) => empty(Ok(())),
            Err(error) => empty(Err(error)),
        }
    }

    async fn end(
        &self,
        request: Request<proto::ConferenceRef>,
    ) -> Result<Response<proto::Empty>, Status> {
        self.directory.end(&request.into_inner().conference).await;
        empty(Ok(()))
    }

    async fn refresh_video(
        &self,
        request: Request<proto::LegRef>,
    ) -> Result<Response<proto::Empty>, Status> {
        let LegRef { conference, leg } = request.into_inner().try_into()?;
        let command = |reply| Command::RefreshVideo { leg, reply };
        empty(self.directory.ask(&conference, command).await)
    }

    async fn control(
        &self,
        request: Request<proto::ControlRequest>,
    ) -> Result<Response<proto::Empty>, Status> {
        let proto::ControlRequest { conference, leg, muted, lobby } = request.into_inner();
        let LegRef { conference, leg } = proto::LegRef { conference, leg }.try_into()?;
        let command = |reply| Command::Control { leg, muted, lobby, reply };
        empty(self.directory.ask(&conference, command).await)
    }

    async fn park(
        &self,
        request: Request<proto::ParkRequest>,
    ) -> Result<Response<proto::Empty>, Status> {
        let proto::ParkRequest { conference, leg, parked } = request.into_inner();
        let LegRef { conference, leg } = proto::LegRef { conference, leg }.try_into()?;
        let command = |reply| Command::Park { leg, parked, reply };
        empty(self.directory.ask(&conference, command).await)
    }

    async fn play(
        &self,
        request: Request<proto::PlayRequest>,
    ) -> Result<Response<proto::Empty>, Status> {
        let (LegRef { conference, leg }, prompts) = play_request(request.into_inner())?;
        let command = |reply| Command::Play { leg, prompts, reply };
        empty(self.directory.ask(&conference, command).await)
    }

    async fn stats(
        &self,
        request: Request<proto::ConferenceRef>,
    ) -> Result<Response<proto::StatsReply>, Status> {
        let conference = request.into_inner().conference;
        let legs = self.directory.ask(&conference, |reply| Command::LegStats { reply }).await?;
        Ok(Response::new(proto::StatsReply { legs: legs.into_iter().map(Into::into).collect() }))
    }

    async fn doctor(
        &self,
        request: Request<proto::DoctorRequest>,
    ) -> Result<Response<proto::DoctorReply>, Status> {
        let proto::DoctorRequest { conference, leg } = request.into_inner();
        let leg = (!leg.is_empty()).then_some(leg);
        let legs = self.directory.ask(&conference, |reply| Command::Doctor { leg, reply }).await?;
        Ok(Response::new(proto::DoctorReply { legs: legs.into_iter().map(Into::into).collect() }))
    }

    type EventsStream = Pin<Box<dyn Stream<Item = Result<proto::Event, Status>> + Send>>;

    async fn events(
        &self,
        request: Request<proto::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        let focus = request.into_inner().focus;
        if focus.is_empty() {
            return Err(MixerError::Invalid("focus has no name".to_owned()).into());
        }
        info!(focus, "focus listens");
        let (hello, first) = mpsc::channel(1);
        let _ = hello.try_send(MixerEvent::Hello { mixer: self.id.clone() });
        drop(hello);
        let events = self.directory.subscribe(&focus);
        let stream = ReceiverStream::new(first).chain(ReceiverStream::new(events));
        Ok(Response::new(Box::pin(stream.map(|event| Ok(event.into())))))
    }
}
