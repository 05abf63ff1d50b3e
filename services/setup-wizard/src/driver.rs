//! The one place where something happens: terminals are read and written, requests carried out, time passes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::appliance::{Appliance, Source};
use crate::hall::{DoorId, Frame, Hall, Place};
use crate::keys::{Decoder, ESCAPE_WAIT, Key};
use crate::paint::Painter;
use crate::request::{Answer, Request, carry_out};

/// After so long without a key the menu is left to whoever comes next.
const IDLE: Duration = Duration::from_secs(600);

/// A terminal that came.
#[derive(Debug)]
pub struct Terminal {
    /// Gives what is typed, takes what is shown.
    pub stream: UnixStream,
    /// Where it is.
    pub place: Place,
}

enum Happened {
    Key(DoorId, Key),
    Gone(DoorId),
    Answer(Answer),
    Changed(Source),
    /// Nothing is heard of the box any more.
    Lost,
}

struct Shown {
    frames: watch::Sender<Frame>,
    // End with the door.
    _tasks: JoinSet<()>,
}

/// Runs the console for terminals that come over `terminals`, until that channel is closed and the last one is gone, or nothing is heard of
/// the box any more.
pub async fn run<A: Appliance>(appliance: Arc<A>, mut terminals: mpsc::Receiver<Terminal>) {
    let (happened, mut events) = mpsc::channel(64);
    let (mut hall, requests) = Hall::new();
    let mut doors: BTreeMap<DoorId, Shown> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(watch_changes(Arc::clone(&appliance), happened.clone()));
    let mut next = 0;
    let mut open = true;
    let mut last_key = tokio::time::Instant::now();
    // Seconds are counted from when something began to count them.
    let mut second: Option<tokio::time::Instant> = None;
    start(&mut tasks, &appliance, &happened, requests);
    while open || !doors.is_empty() {
        let requests = tokio::select! {
            event = events.recv() => match event {
                Some(Happened::Key(id, key)) => {
                    last_key = tokio::time::Instant::now();
                    hall.key(id, key)
                }
                Some(Happened::Gone(id)) => {
                    doors.remove(&id);
                    hall.close(id);
                    Vec::new()
                }
                Some(Happened::Answer(answer)) => hall.answer(answer),
                Some(Happened::Changed(source)) => hall.changed(source),
                // A sender is held here: it is never `None`.
                Some(Happened::Lost) | None => return,
            },
            terminal = terminals.recv(), if open => {
                match terminal {
                    None => open = false,
                    Some(terminal) => {
                        next += 1;
                        let id = DoorId(next);
                        hall.open(id, terminal.place.clone());
                        if let Some(frame) = hall.frame(id) {
                            doors.insert(id, enter(id, terminal, frame, &happened));
                        }
                    }
                }
                Vec::new()
            }
            () = tokio::time::sleep_until(last_key + IDLE) => {
                last_key = tokio::time::Instant::now();
                hall.idle()
            }
            () = tokio::time::sleep_until(second.unwrap_or(last_key)), if second.is_some() => {
                second = second.map(|at| at + Duration::from_secs(1));
                hall.second()
            }
            // Done with: only collected.
            Some(_) = tasks.join_next() => continue,
        };
        start(&mut tasks, &appliance, &happened, requests);
        second = match (hall.counts(), second) {
            (false, _) => None,
            (true, None) => Some(tokio::time::Instant::now() + Duration::from_secs(1)),
            (true, counting) => counting,
        };
        for (id, shown) in &doors {
            if let Some(frame) = hall.frame(*id) {
                shown.frames.send_if_modified(|before| {
                    let changed = *before != frame;
                    *before = frame;
                    changed
                });
            }
        }
    }
}

async fn watch_changes<A: Appliance>(appliance: Arc<A>, happened: mpsc::Sender<Happened>) {
    while let Some(source) = appliance.changed().await {
        if happened.send(Happened::Changed(source)).await.is_err() {
            return;
        }
    }
    let _ = happened.send(Happened::Lost).await;
}

/// Each request is a task of its own: a network is tried for a minute, and keys must not wait for that. They begin in their order.
fn start<A: Appliance>(
    tasks: &mut JoinSet<()>,
    appliance: &Arc<A>,
    happened: &mpsc::Sender<Happened>,
    requests: Vec<Request>,
) {
    for request in requests {
        let (appliance, happened) = (Arc::clone(appliance), happened.clone());
        tasks.spawn(async move {
            let answer = carry_out(&*appliance, request).await;
            // If nobody listens any more the process ends.
            let _ = happened.send(Happened::Answer(answer)).await;
        });
    }
}

fn enter(id: DoorId, terminal: Terminal, frame: Frame, happened: &mpsc::Sender<Happened>) -> Shown {
    let Terminal { stream, place: Place { name, .. } } = terminal;
    tracing::info!("a console is at the {name}");
    let (mut keyboard, screen) = stream.into_split();
    let (frames, pictures) = watch::channel(frame);
    let mut tasks = JoinSet::new();
    let happened = happened.clone();
    tasks.spawn(async move {
        match read_keys(&mut keyboard, id, &happened).await {
            Ok(()) => tracing::info!("the {name} hung up"),
            Err(error) => tracing::info!("the {name} is gone: {error}"),
        }
        let _ = happened.send(Happened::Gone(id)).await;
    });
    // A terminal that cannot be written to is noticed by reading from it, too.
    tasks.spawn(async move { drop(show(screen, pictures).await) });
    Shown { frames, _tasks: tasks }
}

async fn read_keys(
    keyboard: &mut OwnedReadHalf,
    id: DoorId,
    happened: &mpsc::Sender<Happened>,
) -> io::Result<()> {
    let mut decoder = Decoder::default();
    let mut buffer = [0; 256];
    loop {
        let keys = if decoder.is_waiting() {
            match tokio::time::timeout(ESCAPE_WAIT, keyboard.read(&mut buffer)).await {
                Ok(Ok(0)) => return Ok(()),
                Ok(count) => decoder.keys(&buffer[..count?]),
                Err(_) => decoder.nothing_follows().into_iter().collect(),
            }
        } else {
            match keyboard.read(&mut buffer).await? {
                0 => return Ok(()),
                count => decoder.keys(&buffer[..count]),
            }
        };
        for key in keys {
            if happened.send(Happened::Key(id, key)).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// A slow line is shown the newest picture each time it has taken the one before; those in between it never sees.
async fn show(mut screen: OwnedWriteHalf, mut pictures: watch::Receiver<Frame>) -> io::Result<()> {
    let mut painter = Painter::default();
    let mut drawn_anew = 0;
    loop {
        let frame = pictures.borrow_and_update().clone();
        if frame.drawn_anew != drawn_anew {
            drawn_anew = frame.drawn_anew;
            painter.forget();
        }
        screen.write_all(&painter.paint(&frame.picture)).await?;
        if pictures.changed().await.is_err() {
            return Ok(());
        }
    }
}
