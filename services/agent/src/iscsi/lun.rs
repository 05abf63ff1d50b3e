//! A LUN with a thread of its own, so that the network is busy while the disk is read.

use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use understudy_direct_io::Buffer;

use super::session::{Session, Status};
use super::{Address, BlockTarget, REQUEST, TargetError};

/// Requests in flight. Eight of a mebibyte keep a gigabit line full up to some 60 ms of latency.
const DEPTH: usize = 8;

/// Buffers beyond those in flight: what the reader fills meanwhile.
const SPARE: usize = 4;

/// How often the target may refuse one request for a passing reason.
const TRIES: u32 = 8;

enum Request {
    Write { offset: u64, len: usize, data: Buffer },
    Read { offset: u64, len: usize, data: Buffer },
    Flush,
}

impl Request {
    fn what(&self) -> String {
        match self {
            Self::Write { offset, len, .. } => format!("a write of {len} bytes at byte {offset}"),
            Self::Read { offset, len, .. } => format!("a read of {len} bytes at byte {offset}"),
            Self::Flush => "to synchronize its cache".into(),
        }
    }
}

/// A connected LUN.
pub struct Lun {
    size: u64,
    sector_size: u32,
    requests: Option<Sender<Request>>,
    free: Receiver<Buffer>,
    free_again: Sender<Buffer>,
    answers: Receiver<Option<Buffer>>,
    wake: Arc<EventFd>,
    failure: Arc<Mutex<Option<TargetError>>>,
    thread: Option<JoinHandle<()>>,
}

impl Lun {
    /// Logs in and starts the thread.
    pub fn connect(address: Address) -> Result<Self, TargetError> {
        let session = Session::connect(&address, DEPTH)?;
        let (size, sector_size) = (session.size, session.sector_size);
        let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
            .map_err(|error| TargetError::System(format!("cannot create an event descriptor: {error}")))?;
        let wake = Arc::new(wake);
        let (requests, queue) = channel();
        let (free_again, free) = channel();
        let (answer, answers) = channel();
        for _ in 0..DEPTH + SPARE {
            // The receiver is right here.
            let _ = free_again.send(Buffer::new(REQUEST));
        }
        let failure = Arc::new(Mutex::new(None));
        let driver = Driver {
            address,
            session: Some(session),
            size,
            queue,
            open: true,
            flights: (0..DEPTH).map(|_| None).collect(),
            waiting: None,
            free: free_again.clone(),
            answer,
            wake: Arc::clone(&wake),
        };
        let failed = Arc::clone(&failure);
        let thread = std::thread::Builder::new()
            .name("iscsi".into())
            .spawn(move || {
                if let Err(error) = driver.run() {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            })
            .map_err(|error| TargetError::System(format!("cannot start the iSCSI thread: {error}")))?;
        Ok(Self {
            size,
            sector_size,
            requests: Some(requests),
            free,
            free_again,
            answers,
            wake,
            failure,
            thread: Some(thread),
        })
    }

    /// Bytes a sector of the LUN.
    pub fn sector_size(&self) -> u32 {
        self.sector_size
    }

    fn send(&mut self, request: Request) -> Result<(), TargetError> {
        let sent = self.requests.as_ref().is_some_and(|requests| requests.send(request).is_ok());
        // A counter that is full wakes just as well.
        let _ = self.wake.write(1);
        if sent { Ok(()) } else { Err(self.failed()) }
    }

    fn answer(&mut self) -> Result<Option<Buffer>, TargetError> {
        self.answers.recv().map_err(|_| self.failed())
    }

    /// Why the thread has ended.
    fn failed(&mut self) -> TargetError {
        if let Some(thread) = self.thread.take() {
            // A panic is told below.
            let _ = thread.join();
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failure.unwrap_or_else(|| TargetError::System("the iSCSI thread ended without a word".into()))
    }
}

impl BlockTarget for Lun {
    fn size(&self) -> u64 {
        self.size
    }

    fn buffer(&mut self) -> Result<Buffer, TargetError> {
        // We hold a sender ourselves, so a dead thread shows only in its failure: look while waiting.
        loop {
            match self.free.recv_timeout(Duration::from_millis(200)) {
                Ok(buffer) => return Ok(buffer),
                Err(_) if self.thread.as_ref().is_none_or(JoinHandle::is_finished) => {
                    return Err(self.failed());
                }
                Err(_) => {}
            }
        }
    }

    fn give_back(&mut self, buffer: Buffer) {
        // The receiver is ours.
        let _ = self.free_again.send(buffer);
    }

    fn write(&mut self, offset: u64, len: usize, data: Buffer) -> Result<(), TargetError> {
        self.send(Request::Write { offset, len, data })
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<Buffer, TargetError> {
        let data = self.buffer()?;
        self.send(Request::Read { offset, len, data })?;
        match self.answer()? {
            Some(data) => Ok(data),
            None => Err(TargetError::System("the iSCSI thread answered a read without data".into())),
        }
    }

    fn flush(&mut self) -> Result<(), TargetError> {
        self.send(Request::Flush)?;
        self.answer().map(drop)
    }
}

impl Drop for Lun {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.wake.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A request in flight, and how often the target has refused it.
struct Flight {
    request: Request,
    refused: u32,
}

struct Driver {
    address: Address,
    session: Option<Session>,
    size: u64,
    queue: Receiver<Request>,
    /// Whether more requests can come.
    open: bool,
    flights: Vec<Option<Flight>>,
    /// A read or flush that waits for the writes before it.
    waiting: Option<Request>,
    free: Sender<Buffer>,
    answer: Sender<Option<Buffer>>,
    wake: Arc<EventFd>,
}

impl Driver {
    fn run(mut self) -> Result<(), TargetError> {
        loop {
            self.accept()?;
            if !self.open && self.waiting.is_none() && self.idle() {
                if let Some(session) = self.session.take() {
                    session.log_out();
                }
                return Ok(());
            }
            let wake = Arc::clone(&self.wake);
            let more = self.open && self.waiting.is_none() && self.flights.iter().any(Option::is_none);
            let stands = self.session()?.turn(more.then(|| wake.as_fd()));
            if more {
                // Not readable: nothing new.
                let _ = wake.read();
            }
            if !self.collect()? || !stands {
                self.reconnect()?;
            }
        }
    }

    fn session(&mut self) -> Result<&mut Session, TargetError> {
        self.session.as_mut().ok_or_else(|| TargetError::Lost("there is no session".into()))
    }

    fn idle(&self) -> bool {
        self.flights.iter().all(Option::is_none)
    }

    /// Starts what can be started. A read or a flush waits until all that came before it is done.
    fn accept(&mut self) -> Result<(), TargetError> {
        loop {
            if self.waiting.is_some() {
                if !self.idle() {
                    return Ok(());
                }
                if let Some(request) = self.waiting.take() {
                    self.start(0, Flight { request, refused: 0 })?;
                }
                return Ok(());
            }
            // A read or flush in flight is alone.
            let alone = |flight: &Flight| !matches!(flight.request, Request::Write { .. });
            if self.flights.iter().flatten().any(alone) {
                return Ok(());
            }
            let Some(slot) = self.flights.iter().position(Option::is_none) else { return Ok(()) };
            match self.queue.try_recv() {
                Ok(request @ Request::Write { .. }) => self.start(slot, Flight { request, refused: 0 })?,
                Ok(request) => self.waiting = Some(request),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    self.open = false;
                    return Ok(());
                }
            }
        }
    }

    /// Begins a request. One that cannot even be queued is left for the reconnection that follows.
    #[allow(unsafe_code)]
    fn start(&mut self, slot: usize, mut flight: Flight) -> Result<(), TargetError> {
        let session = self.session()?;
        let begun = match &mut flight.request {
            // SAFETY: the buffer stays in `flights` until the request has finished or the session is dropped; its
            // memory does not move when the value does.
            Request::Write { offset, len, data } => unsafe { session.write(slot, *offset, data, *len) },
            // SAFETY: as above.
            Request::Read { offset, len, data } => unsafe { session.read(slot, *offset, data, *len) },
            Request::Flush => session.synchronize(slot),
        };
        self.flights[slot] = Some(flight);
        match begun {
            Err(TargetError::Lost(_)) => self.reconnect(),
            begun => begun,
        }
    }

    /// Sees to requests that have ended; false when the connection is lost.
    fn collect(&mut self) -> Result<bool, TargetError> {
        for slot in 0..self.flights.len() {
            if self.flights[slot].is_none() {
                continue;
            }
            let session = self.session()?;
            let Some(status) = session.finished(slot) else { continue };
            if status == Status::Lost {
                return Ok(false);
            }
            let reason = session.error();
            let Some(mut flight) = self.flights[slot].take() else { continue };
            match status {
                Status::Good => self.done(flight.request),
                Status::Retry if flight.refused < TRIES => {
                    flight.refused += 1;
                    tracing::info!(
                        "{} refused {} ({reason}); trying again",
                        self.address.iqn,
                        flight.request.what()
                    );
                    self.start(slot, flight)?;
                }
                Status::Retry => return Err(refused(&flight, 2, reason)),
                Status::Refused(status) => return Err(refused(&flight, status, reason)),
                Status::Lost => {}
            }
        }
        Ok(true)
    }

    /// The other side may be gone, then nobody waits.
    fn done(&self, request: Request) {
        match request {
            Request::Write { data, .. } => drop(self.free.send(data)),
            Request::Read { data, .. } => drop(self.answer.send(Some(data))),
            Request::Flush => drop(self.answer.send(None)),
        }
    }

    /// Makes a new session and begins everything again that was in flight.
    fn reconnect(&mut self) -> Result<(), TargetError> {
        let reason = self.session.take().map_or_else(String::new, |session| session.error());
        let flights = self.flights.iter().flatten().count();
        tracing::warn!(
            "the connection to {} is lost ({reason}) with {flights} requests in flight",
            self.address.iqn
        );
        let begin = Instant::now();
        let mut pause = Duration::from_millis(250);
        let session = loop {
            match Session::connect(&self.address, DEPTH) {
                Ok(session) => break session,
                Err(error) if begin.elapsed() + pause > self.address.patience => {
                    return Err(TargetError::GaveUp {
                        seconds: self.address.patience.as_secs(),
                        reason: error.to_string(),
                    });
                }
                Err(error) => tracing::info!("{}: {error}; trying again", self.address.iqn),
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(5));
        };
        if session.size != self.size {
            return Err(TargetError::Connect(format!(
                "the LUN has {} bytes now, it had {}: it is another one",
                session.size, self.size
            )));
        }
        self.session = Some(session);
        tracing::info!("connected to {} again", self.address.iqn);
        for slot in 0..self.flights.len() {
            if let Some(flight) = self.flights[slot].take() {
                self.start(slot, flight)?;
            }
        }
        Ok(())
    }
}

fn refused(flight: &Flight, status: i32, reason: String) -> TargetError {
    TargetError::Refused { what: flight.request.what(), status, reason }
}
