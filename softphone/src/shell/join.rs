//! `softphone join`: opens what is needed, runs the call, writes what was asked for.

use std::fs;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rtp_session::NtpClock;
use sip_stack::auth::Credentials;
use sip_stack::message::Uri;
use sip_stack::token::Tokens;
use softphone::core::call::Call;
use softphone::core::call::ice::IceConfig;
use softphone::core::outcome::Outcome;
use softphone::core::phone::{Phone, PhoneConfig};
use softphone::core::registration::RegistrarConfig;
use softphone::core::report::{CallReport, FORMAT, Report, state_word};
use softphone::device::hardware::GridWindow;
use softphone::device::picture::{Renderer, Scene, write_png};
use softphone::device::{
    Camera, CameraSettings, DeviceError, Display, Opened, open_camera, open_microphone,
    open_speaker,
};
use softphone::media::ice::RelayConfig;
use softphone::media::session::MediaConfig;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::audio::{AudioDevices, AudioState};
use super::cli::{Answer, IceMode, Join};
use super::failure::Failure;
use super::gather::{Gathered, Relays, gather, servers};
use super::lines;
use super::network::{self, CallSetup, Finished, Input};
use super::say::{complain, say};
use super::secrets::Secrets;
use super::sockets::BoundPorts;
use super::talk::Talk;
use super::video::{CameraState, CameraThread};
use super::view::View;
use super::way::{Way, sip_uri};

/// Inputs that wait for the network thread.
const QUEUE: usize = 1024;
/// Size of the window and of snapshots, in pixels.
const WINDOW: (usize, usize) = (1280, 760);
/// The window is drawn this often.
const REDRAW: Duration = Duration::from_millis(33);

/// Runs the command.
pub fn join(args: &Join) -> ExitCode {
    let outcome = match call(args) {
        Ok(outcome) => outcome,
        Err(failure @ Failure::Usage(_)) => return failure.complain(),
        Err(Failure::Outcome(outcome)) => {
            write_report(args, &not_begun(args, &outcome));
            outcome
        }
    };
    if outcome.exit_code() == 0 {
        say(&outcome.to_string())
    } else {
        complain(&outcome.to_string())
    }
    ExitCode::from(outcome.exit_code())
}

fn not_begun(args: &Join, outcome: &Outcome) -> Report {
    let call = CallReport {
        uri: args.uri.clone(),
        name: args.who.name.clone().unwrap_or_default(),
        state: state_word(outcome).to_owned(),
        reason: outcome.to_string(),
        exit_code: outcome.exit_code(),
        ..CallReport::default()
    };
    Report { format: FORMAT, call, ..Report::default() }
}

fn call(args: &Join) -> Result<Outcome, Failure> {
    let plan = Plan::new(args)?;
    let devices = Devices::open(args, &plan)?;
    let view = Arc::new(View::new(plan.slots));
    let names = (plan.way.name.as_str(), plan.way.given_name.as_deref());
    let talk = Talk::new(view.clone(), names, args.chat_log.as_deref());
    let talk = talk.map_err(Failure::local)?.with_script(&args.say, args.say_at);
    let (inputs, inbox) = mpsc::channel(QUEUE);
    let window = if args.headless { None } else { window(&plan.way.name) };
    let camera_state = Arc::new(CameraState::new(devices.camera.is_some()));
    let has_camera = devices.camera.is_some();
    let camera = devices
        .camera
        .map(|camera| {
            CameraThread::start(camera, camera_state.clone(), view.clone(), inputs.clone())
        })
        .transpose()
        .map_err(Failure::local)?;
    match plan.waits {
        true => say(&format!("waiting for a call to {}", plan.way.from(&plan.uri).uri)),
        false => say(&format!("calling {} as {}", plan.uri, plan.way.name)),
    }
    let keys = inputs.clone();
    let shared = Shared {
        view: view.clone(),
        camera_state,
        has_camera,
        audio: devices.audio,
        talk,
        keys: args.pin.as_ref().map(|pin| format!("{}#", pin.trim_end_matches('#'))),
        until_lines_end: args.until_lines_end,
        answer: args.answer,
    };
    if args.until_lines_end || io::stdin().is_terminal() {
        type_into(inputs.clone()).map_err(Failure::local)?;
    }
    let network = std::thread::Builder::new()
        .name("network".to_owned())
        .spawn({
            let duration = args.duration;
            move || network_thread(plan, shared, duration, inputs, inbox)
        })
        .map_err(Failure::local)?;
    if let Some(window) = window {
        show(window, &view, &keys, &network);
    }
    let finished = network.join();
    if let Some(camera) = camera {
        camera.stop();
    }
    let finished = match finished {
        Ok(finished) => finished.map_err(Failure::local)?,
        Err(_) => return Err(Failure::local("the network thread failed")),
    };
    Ok(write_files(args, finished))
}

fn write_files(args: &Join, finished: Finished) -> Outcome {
    let mut failures = finished.failures;
    if let Some(path) = &args.snapshot
        && let Err(error) = snapshot(path, &finished.scene)
    {
        failures.push(error.to_string());
    }
    write_report(args, &finished.report);
    match failures.first() {
        // a call that failed says so; a file that failed only matters after a good call
        Some(failure) if finished.outcome.exit_code() == 0 => Outcome::Local(failure.clone()),
        _ => finished.outcome,
    }
}

fn snapshot(path: &Path, scene: &Scene) -> Result<(), DeviceError> {
    write_png(path, Renderer::default().render(scene, WINDOW.0, WINDOW.1))
}

fn write_report(args: &Join, report: &Report) {
    let Some(path) = &args.report else { return };
    let written = serde_json::to_string_pretty(report)
        .map_err(io::Error::from)
        .and_then(|text| fs::write(path, text + "\n"));
    if let Err(error) = written {
        complain(&format!("{}: {error}", path.display()));
    }
}

fn window(name: &str) -> Option<GridWindow> {
    match GridWindow::open(&format!("Parley - {name}"), WINDOW.0, WINDOW.1) {
        Ok(window) => Some(window),
        Err(error) => {
            say(&format!("{error}; going on without, leave with Ctrl-C"));
            None
        }
    }
}

/// The main thread: draws until the call is over.
fn show(
    mut window: impl Display,
    view: &View,
    keys: &mpsc::Sender<Input>,
    network: &JoinHandle<io::Result<Finished>>,
) {
    while !network.is_finished() {
        let next = Instant::now() + REDRAW;
        for event in window.show(&view.scene()) {
            // a full queue: the key has to be pressed again
            let _dropped = keys.try_send(Input::Key(event));
        }
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Whom to call, how to get there.
struct Plan {
    uri: Uri,
    registrar: Option<Uri>,
    way: Way,
    slots: usize,
    /// We are called.
    waits: bool,
    ice: IceMode,
    servers: RelayConfig,
}

impl Plan {
    fn new(args: &Join) -> Result<Self, Failure> {
        let uri = sip_uri(&args.uri)?;
        let registrar = args.registrar.as_deref().map(sip_uri).transpose()?;
        let way = Way::find(registrar.as_ref().unwrap_or(&uri), &args.who)?;
        let slots = usize::from(args.video_slots);
        let ice = args.ice.ice;
        if ice == IceMode::Relay && args.ice.turn.is_none() {
            return Err(Failure::Usage("--ice relay needs --turn".to_owned()));
        }
        let servers = servers(&args.ice, way.local)?;
        let waits = args.answer.is_some();
        Ok(Self { uri, registrar, way, slots, waits, ice, servers })
    }
}

struct Devices {
    audio: AudioDevices,
    camera: Option<Box<dyn Camera>>,
}

impl Devices {
    fn open(args: &Join, plan: &Plan) -> Result<Self, Failure> {
        let microphone = opened(open_microphone(&args.mic))?;
        let mut speakers = vec![opened(open_speaker(&args.speaker))?];
        if let Some(path) = &args.record {
            let sink = path.to_str().ok_or_else(|| Failure::local("--record: not UTF-8"))?;
            speakers.push(opened(open_speaker(sink))?);
        }
        let settings = CameraSettings { name: plan.way.name.clone(), ..CameraSettings::default() };
        let camera = match args.camera.as_str() {
            _ if plan.slots == 0 => None,
            "none" => None,
            source => camera(open_camera(source, &settings))?,
        };
        Ok(Self { audio: AudioDevices { microphone, speakers }, camera })
    }
}

fn opened<T: ?Sized>(result: Result<Opened<T>, DeviceError>) -> Result<Box<T>, Failure> {
    let opened = result.map_err(Failure::local)?;
    if let Some(note) = &opened.note {
        say(note);
    }
    Ok(opened.device)
}

/// A default camera that is not there is no camera.
fn camera(
    result: Result<Opened<dyn Camera>, DeviceError>,
) -> Result<Option<Box<dyn Camera>>, Failure> {
    let opened = result.map_err(Failure::local)?;
    match opened.note {
        Some(note) => {
            say(&note);
            Ok(None)
        }
        None => Ok(Some(opened.device)),
    }
}

/// What the network thread shares with the others.
struct Shared {
    view: Arc<View>,
    camera_state: Arc<CameraState>,
    has_camera: bool,
    audio: AudioDevices,
    talk: Talk,
    keys: Option<String>,
    until_lines_end: bool,
    answer: Option<Answer>,
}

/// Hands what is typed at the terminal to the call, until either ends. The thread waits for the terminal
/// and ends with the process.
fn type_into(inputs: mpsc::Sender<Input>) -> io::Result<()> {
    lines::read(move |line| {
        let input = line.map_or(Input::LinesOver, Input::Line);
        inputs.blocking_send(input).is_ok()
    })
}

fn network_thread(
    plan: Plan,
    shared: Shared,
    duration: Option<Duration>,
    inputs: mpsc::Sender<Input>,
    inbox: mpsc::Receiver<Input>,
) -> io::Result<Finished> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let finished = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = inputs.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if stop.send(Input::Stop).await.is_err() {
                    return;
                }
            }
        });
        let setup = Box::pin(setup(plan, shared, duration)).await?;
        Box::pin(network::run(setup, inputs, inbox)).await
    });
    // readers of sockets may still wait; nobody waits for them
    runtime.shutdown_background();
    finished
}

async fn setup(plan: Plan, shared: Shared, duration: Option<Duration>) -> io::Result<CallSetup> {
    let (sip, local) = plan.way.transports()?;
    let ports = BoundPorts::bind(local.ip(), plan.slots)?;
    let mut described = ports.local()?;
    let gathered = match (plan.ice, local.ip().is_unspecified()) {
        (IceMode::Off, _) | (_, true) => None,
        (mode, false) => Some(gather(&ports, mode, &plan.servers).await?),
    };
    let mut tokens = Tokens::new(rand::random());
    let session_id = rand::random::<u64>() >> 1;
    let camera_on = shared.has_camera;
    if let Some(gathered) = &gathered {
        gathered.notes.iter().for_each(|note| say(note));
        for (line, at) in &gathered.instead {
            let video = line.checked_sub(1).and_then(|slot| described.video.get_mut(slot));
            let place = if *line == 0 { Some(&mut described.audio) } else { video };
            if let Some(place) = place {
                place.rtp = *at;
            }
        }
    }
    let call = Call::new(session_id, local.ip(), described, camera_on);
    let (call, relays) = match gathered {
        Some(Gathered { candidates, relays, .. }) => {
            (call.with_ice(IceConfig { seed: rand::random(), candidates }), relays)
        }
        None => (call, Relays::default()),
    };
    let now = Instant::now();
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let media = MediaConfig {
        cname: tokens.hex(12),
        name: plan.way.name.clone(),
        clock: NtpClock::new(now, since_epoch),
        seed: rand::random(),
        slots: plan.slots,
        sip_host: Some(plan.way.remote),
    };
    let uri = plan.uri.to_string();
    let phone = Phone::new(phone_config(plan, local), call, tokens.seed());
    Ok(CallSetup {
        phone,
        sip,
        ports,
        relays,
        media,
        audio: shared.audio,
        audio_state: Arc::new(AudioState::default()),
        camera_state: shared.camera_state,
        has_camera: shared.has_camera,
        view: shared.view,
        uri,
        duration,
        talk: shared.talk,
        keys: shared.keys,
        until_lines_end: shared.until_lines_end,
        answer: shared.answer,
    })
}

fn phone_config(plan: Plan, local: SocketAddr) -> PhoneConfig {
    let Plan { uri, registrar, way, waits, .. } = plan;
    let endpoint = way.endpoint(local);
    let from = way.from(registrar.as_ref().unwrap_or(&uri));
    let account = way.account();
    let target = registrar.is_some().then(|| way.hop.clone().into());
    let registrar = registrar.map(|registrar| RegistrarConfig {
        uri: Uri::sip(None, registrar.host, registrar.port),
        target: way.hop.into(),
        aor: from.clone(),
        contact: endpoint.contact.clone(),
        credentials: account.as_ref().map(|(user, password)| Credentials::new(user, password)),
    });
    let secret =
        Secrets::of_user().and_then(|secrets| secrets.get(&uri, way.given_name.as_deref()));
    PhoneConfig { endpoint, uri, from, target, account, registrar, secret, waits }
}
