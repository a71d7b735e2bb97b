//! The life of the helper: it listens, and each connection holds one job.

use std::{
    collections::HashMap,
    env, fs, mem,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use listenfd::ListenFd;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Notify, Semaphore, oneshot},
    time::{sleep, timeout},
};
use wharf_sandbox::{
    ask::{End, FromHelper, STATE, ToHelper},
    host_root::HostRoot,
    id::Id,
    place,
    sandbox::Access,
    unit::{self, Property, name::Signal},
    users::Users,
};

use crate::{
    AnyError, at, chain,
    idmap::{Mapping, Owner},
    message::{Inbox, say},
    mounts, repository, root,
    systemd::{Ends, Systemd},
    users,
};

/// So many jobs there may be at a time.
const JOBS: usize = 8_192;
/// How long a caller may take for its first message.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a job goes on that nobody holds: whoever held it looks for the new helper.
const ABSENCE: Duration = Duration::from_secs(30);

struct Helper {
    systemd: Systemd,
    users: Users,
    owner: Owner,
    host: HostRoot,
    /// `wharf-keeper`: the first program of each job, to be seen below `/usr`.
    keeper: PathBuf,
    waiting: Mutex<HashMap<Id, oneshot::Sender<End>>>,
    /// Somebody waits no longer.
    ended: Notify,
}

/// The whole life of the program, with the socket that systemd made.
///
/// # Errors
/// What is missing on this host.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run() -> Result<(), AnyError> {
    let listener = ListenFd::from_env().take_unix_listener(0)?;
    let listener = listener.ok_or("no socket: start wharf-helper.socket")?;
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let helper = Arc::new(Helper::gather().await?);
    let ends = helper.systemd.ends(mounts::jobs()?).await?;
    helper.clear_the_dead().await?;
    let held = Arc::clone(&helper);
    tokio::spawn(async move { told(held.end_what_nobody_holds().await) });
    sd_notify::notify(&[sd_notify::NotifyState::Ready])?;
    tokio::select! {
        done = Arc::clone(&helper).listen(listener) => done,
        done = helper.hear(ends) => done,
    }
}

impl Helper {
    async fn gather() -> Result<Self, AnyError> {
        let owner = Owner::of(Path::new(STATE))?;
        fs::create_dir_all(place::users())?;
        mounts::prepare()?;
        let host = HostRoot::probe();
        root::prepare(&host)?;
        let users = users::open()?;
        // Better said now than at the first push.
        let state = fs::File::open(STATE)?;
        let tried = Mapping::new(owner, owner.user)
            .and_then(|mapping| mapping.mount(state.as_fd(), Access::Read));
        tried.map_err(|error| format!("{STATE} cannot be shown as another user's: {error}"))?;
        Ok(Self {
            systemd: Systemd::connect().await?,
            users,
            owner,
            host,
            keeper: env::current_exe()?.with_file_name("wharf-keeper"),
            waiting: Mutex::default(),
            ended: Notify::new(),
        })
    }

    async fn listen(self: Arc<Self>, listener: UnixListener) -> Result<(), AnyError> {
        let room = Arc::new(Semaphore::new(JOBS));
        loop {
            let place = Arc::clone(&room).acquire_owned().await?;
            let (stream, _) = listener.accept().await?;
            let helper = Arc::clone(&self);
            tokio::spawn(async move {
                told(helper.attend(stream).await);
                drop(place);
            });
        }
    }

    /// Takes away what jobs had that have ended, and tells whoever holds them.
    async fn hear(&self, mut ends: Ends) -> Result<(), AnyError> {
        loop {
            let (job, end) = ends.next().await?;
            told(mounts::clear(&job).map_err(at(format_args!("something of {job} stays"))));
            self.wake(&job, end);
        }
    }

    /// One conversation.
    async fn attend(&self, mut stream: UnixStream) -> Result<(), AnyError> {
        let caller = stream.peer_cred()?.uid();
        if caller != self.owner.user {
            return Err(format!("user {caller} may not ask for anything").into());
        }
        let mut inbox = Inbox::default();
        let Some(first) = timeout(PATIENCE, inbox.next(&stream)).await?? else {
            return Ok(());
        };
        let Some(job) = first.job() else {
            return refuse(&mut stream, "no job is named").await;
        };
        let end = if let ToHelper::Hold { .. } = first {
            let Some(end) = self.wait_for(job) else {
                return refuse(&mut stream, "somebody else holds it").await;
            };
            if self.systemd.unit(job).await?.is_none() {
                self.wake(job, End::Failed("gone".into()));
            }
            end
        } else {
            // Its holder may have died a moment ago.
            let Ok(end) = timeout(PATIENCE, self.turn(job)).await else {
                return refuse(&mut stream, "it runs already").await;
            };
            let streams = mem::take(&mut inbox.beside);
            if let Err(error) = self.start(job, &first, streams).await {
                self.wake(job, End::Failed("not begun".into()));
                return refuse(&mut stream, &chain(&*error)).await;
            }
            end
        };
        say(&mut stream, &FromHelper::Started).await?;
        self.hold(job, stream, inbox, end).await
    }

    async fn start(
        &self,
        job: &Id,
        asked: &ToHelper,
        streams: Vec<OwnedFd>,
    ) -> Result<(), AnyError> {
        let streams = <[OwnedFd; 3]>::try_from(streams);
        let streams = streams.map_err(|_| "a job begins with three streams")?;
        mounts::claim(job)?;
        let begin = async {
            let properties = self.prepare(asked)?;
            self.systemd.start(job, properties, streams).await
        };
        let begun = begin.await;
        if begun.is_err() {
            mounts::clear(job)?;
        }
        begun
    }

    /// Makes what a job needs to be there, and says how it is to run.
    fn prepare(&self, asked: &ToHelper) -> Result<Vec<Property>, AnyError> {
        match asked {
            ToHelper::Start(start) => {
                let user = users::of(&self.users, &start.user, &start.job)?;
                mounts::lay(start, self.owner, user)?;
                Ok(unit::properties(start, user, &self.host, &self.keeper))
            }
            ToHelper::Git(git) => Ok(unit::git::properties(git, &repository::find(&git.project)?)),
            _ => Err("nothing begins with that".into()),
        }
    }

    /// Tells a job's holder of its end, and does what that says. Where the holder hangs up, the job
    /// ends.
    async fn hold(
        &self,
        job: &Id,
        mut stream: UnixStream,
        mut inbox: Inbox,
        mut end: oneshot::Receiver<End>,
    ) -> Result<(), AnyError> {
        loop {
            tokio::select! {
                end = &mut end => return Ok(say(&mut stream, &FromHelper::Ended(end?)).await?),
                said = inbox.next(&stream) => match said {
                    Ok(Some(ToHelper::Terminate)) => self.signal(job, Signal::Terminate).await,
                    Ok(Some(ToHelper::Kill)) => self.signal(job, Signal::Kill).await,
                    // It hung up, or speaks as nobody should.
                    _ => {
                        self.stop(job).await;
                        end.await?;
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Signals a job. Where that fails the job is held on: whoever asked may ask again.
    async fn signal(&self, job: &Id, signal: Signal) {
        let done = self.systemd.signal(job, signal).await;
        told(done.map_err(at(format_args!("cannot signal {job}"))));
    }

    async fn stop(&self, job: &Id) {
        let done = self.systemd.stop(job).await;
        told(done.map_err(at(format_args!("cannot stop {job}"))));
    }

    /// Waits until nobody has this job any more.
    async fn turn(&self, job: &Id) -> oneshot::Receiver<End> {
        loop {
            let ended = self.ended.notified();
            if let Some(end) = self.wait_for(job) {
                return end;
            }
            ended.await;
        }
    }

    /// From here on a job's end is heard; none where somebody else listens already.
    fn wait_for(&self, job: &Id) -> Option<oneshot::Receiver<End>> {
        let mut waiting = self.waiting();
        if waiting.contains_key(job) {
            return None;
        }
        let (tell, end) = oneshot::channel();
        waiting.insert(job.clone(), tell);
        Some(end)
    }

    fn wake(&self, job: &Id, end: End) {
        if let Some(tell) = self.waiting().remove(job) {
            // Whoever held it may have hung up.
            drop(tell.send(end));
            self.ended.notify_waiters();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Id, oneshot::Sender<End>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes away what jobs had that ended while no helper was there.
    async fn clear_the_dead(&self) -> Result<(), AnyError> {
        for job in mounts::jobs()? {
            if self.systemd.unit(&job).await?.is_none() {
                mounts::clear(&job)?;
            }
        }
        Ok(())
    }

    /// Once, some time after the start: whoever held a job has come back by now, or is dead.
    async fn end_what_nobody_holds(&self) -> Result<(), AnyError> {
        sleep(ABSENCE).await;
        for job in mounts::jobs()? {
            if !self.waiting().contains_key(&job) {
                self.stop(&job).await;
            }
        }
        Ok(())
    }
}

/// Tells the operator of what went wrong.
fn told(done: Result<(), AnyError>) {
    if let Err(error) = done {
        eprintln!("wharf-helper: {}", chain(&*error));
    }
}

async fn refuse(stream: &mut UnixStream, why: &str) -> Result<(), AnyError> {
    eprintln!("wharf-helper: refused: {why}");
    let why = why.to_owned();
    Ok(say(stream, &FromHelper::Refused { why }).await?)
}
