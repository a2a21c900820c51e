//! Both appliances on a thread of their own, and what the demo asks of them over their sockets.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_io::Async;
use smol::LocalExecutor;
use smol::channel::{Receiver, Sender};
use smol::stream::pending;

use super::disks::Disk;
use crate::config::{OmaConfig, VmaConfig};
use crate::exit::{Exit, Failure};
use crate::model::id::{ChangeId, DiskId, JobId};
use crate::model::job::{SyncKind, Vm};
use crate::model::request::{ChangeIdReport, Declaration, DeclaredDisk, TrackRequest};
use crate::runtime::clock::Clock;
use crate::vma::{Listeners, Vma};
use crate::wire::{changeid, job};

const VM_PATH: &str = "/DC0/vm/demo";
/// Limit of one request to an appliance.
const LIMIT: Duration = Duration::from_secs(10);
/// The uuid part of the demo's change ids, one for each disk. A real one comes from the VM's snapshot.
const CHANGE_UUIDS: [&str; 2] =
    ["52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63", "52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e"];

/// Both appliances; dropping this ends them.
pub(super) struct Appliances {
    pub(super) vma: String,
    pub(super) oma: String,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    agent: ureq::Agent,
}

impl Appliances {
    /// Starts both with their databases in a folder.
    pub(super) fn start(dir: &Path) -> Result<Self, Failure> {
        let bind = || TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
        let sockets = bind().and_then(|vma| Ok((vma.local_addr()?, vma, bind()?)));
        let (vma_address, vma, oma) =
            sockets.map_err(|error| Failure::new(Exit::Failed, "cannot listen on loopback", error))?;
        let oma_address = oma.local_addr().map_err(|error| Failure::new(Exit::Failed, "cannot listen", error))?;
        let (vma_config, oma_config) = configs(dir, vma_address, oma_address)?;
        let (stop, stopped) = smol::channel::bounded(1);
        let (started, outcome) = smol::channel::bounded(1);
        let log = dir.join("log");
        let thread = std::thread::spawn(move || {
            let served = serve(&vma_config, &oma_config, [vma, oma], &log, &started, stopped);
            if let Err(why) = served {
                started.try_send(Err(why)).ok();
            }
        });
        outcome
            .recv_blocking()
            .unwrap_or_else(|_| Err("its thread ended".to_owned()))
            .map_err(|why| Failure::new(Exit::Failed, "cannot start the appliances", why))?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(LIMIT))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .build()
            .into();
        let (vma, oma) = (format!("http://{vma_address}"), format!("http://{oma_address}"));
        Ok(Self { vma, oma, stop: Some(stop), thread: Some(thread), agent })
    }

    /// Declares a job to the VMA; an incremental one starts from what the OMA answers for its disks.
    pub(super) fn declare(&self, id: &JobId, disks: &[Disk], sync: SyncKind) -> Result<(), Failure> {
        let disks: Result<Vec<DeclaredDisk>, Failure> = disks
            .iter()
            .map(|disk| {
                let previous = if sync == SyncKind::Incremental { self.last_change_id(disk)? } else { None };
                Ok(DeclaredDisk {
                    id: disk_id(disk),
                    label: Some(disk.label.to_owned()),
                    capacity_bytes: Some(disk.size),
                    device_key: None,
                    previous_change_id: previous,
                    export: None,
                })
            })
            .collect();
        let (vm, sync) = (Some(vm()), Some(sync));
        let declaration = Declaration { vm, sync, disks: disks?, ..Declaration::default() };
        let request = self.agent.put(format!("{}/api/v1/jobs/{id}", self.vma));
        check("declare the job", request.send(job::render_declaration(&declaration))).map(|_| ())
    }

    /// Has the OMA track a job.
    pub(super) fn track(&self, id: &JobId) -> Result<(), Failure> {
        let vma = crate::model::id::VmaName::parse(appliance_name()).expect("a short name");
        let request = TrackRequest { job: id.clone(), vma, vm: Some(vm()), disks: Vec::new(), disk_count: None };
        let url = format!("{}/api/v1/jobs", self.oma);
        check("track the job", self.agent.post(url).send(job::render_track(&request))).map(|_| ())
    }

    /// Hands a disk's change id over, as a mover does after the copy.
    pub(super) fn hand_over_change_id(
        &self,
        id: &JobId,
        disk: &Disk,
        at: usize,
        sync: SyncKind,
    ) -> Result<(), Failure> {
        let counter = if sync == SyncKind::Full { 81 } else { 97 };
        let uuid = CHANGE_UUIDS[at % CHANGE_UUIDS.len()];
        let change_id = format!("{uuid}/{counter}");
        let report = ChangeIdReport { change_id, disk: disk.id.to_owned(), previous_change_id: None, replaced: false };
        let url = format!("{}/api/v1/replications/{id}/changeid", self.oma);
        check("hand the change id over", self.agent.post(url).send(changeid::render_report(&report))).map(|_| ())
    }

    fn last_change_id(&self, disk: &Disk) -> Result<Option<ChangeId>, Failure> {
        let request = self.agent.get(format!("{}/api/v1/replications/changeid", self.oma));
        let asked = request.query("vm_path", VM_PATH).query("disk_id", disk.id).call();
        let body = check("ask for the last change id", asked)?;
        changeid::parse_answer(body.as_bytes())
            .map_err(|bad| Failure::new(Exit::Failed, "cannot ask for the last change id", bad))
    }
}

impl Drop for Appliances {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn appliance_name() -> &'static str {
    "demo-site"
}

fn vm() -> Vm {
    Vm { name: "demo".to_owned(), path: VM_PATH.to_owned(), uuid: String::new() }
}

fn disk_id(disk: &Disk) -> DiskId {
    DiskId::parse(disk.id).expect("a short id")
}

fn check(what: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<String, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::new(Exit::Failed, format!("cannot {what}"), why);
    let mut answer = answer.map_err(|error| failed(&error))?;
    let body = answer.body_mut().read_to_string().map_err(|error| failed(&error))?;
    if answer.status().is_success() { Ok(body) } else { Err(failed(&body)) }
}

fn configs(dir: &Path, vma: SocketAddr, oma: SocketAddr) -> Result<(VmaConfig, OmaConfig), Failure> {
    let quoted = |path: PathBuf| format!("{:?}", path.display().to_string());
    let name = appliance_name();
    let vma_text = format!("name = \"{name}\"\ndatabase = {}\nlisten = \"{vma}\"\n", quoted(dir.join("vma.db")));
    let oma_text = format!(
        "database = {}\nlisten = \"{oma}\"\n[poll]\ninterval = \"500ms\"\n[throttle]\nmin_interval = \"500ms\"\n\
         [[vma]]\nname = \"{name}\"\nurl = \"http://{vma}\"\n",
        quoted(dir.join("oma.db"))
    );
    let wrong =
        |why: &dyn std::fmt::Display| Failure::new(Exit::Configuration, "the demo's configuration is wrong", why);
    Ok((
        VmaConfig::parse(&vma_text, "vma.toml").map_err(|why| wrong(&why))?,
        OmaConfig::parse(&oma_text, "oma.toml").map_err(|why| wrong(&why))?,
    ))
}

/// Serves both until nobody holds the other end of `stopped`.
fn serve(
    vma_config: &VmaConfig,
    oma_config: &OmaConfig,
    sockets: [TcpListener; 2],
    log: &Path,
    started: &Sender<Result<(), String>>,
    stopped: Receiver<()>,
) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    crate::runtime::log::start_in(log).map_err(|error| said(&error))?;
    let [vma_socket, oma_socket] = sockets.map(Async::new);
    let (vma_socket, oma_socket) = (vma_socket.map_err(|e| said(&e))?, oma_socket.map_err(|e| said(&e))?);
    let executor = Rc::new(LocalExecutor::new());
    let clock = Clock::start();
    let vma = Vma::open(vma_config, clock.now(), 1).map_err(|error| said(&error))?;
    let until = |stopped: Receiver<()>| async move {
        let _nobody_holds_the_other_end = stopped.recv().await;
    };
    let listeners = Listeners { movers: vma_socket, change_ids: None, secured: None };
    async_io::block_on(executor.run(async {
        let vma_runs = crate::vma::run(executor.clone(), vma, listeners, clock, pending(), until(stopped.clone()));
        let oma_runs =
            crate::oma::run(executor.clone(), oma_config, oma_socket, None, clock, pending(), until(stopped));
        started.send(Ok(())).await.ok();
        let (vma_ended, oma_ended) = smol::future::zip(vma_runs, oma_runs).await;
        vma_ended.and(oma_ended).map_err(|error| said(&error))
    }))
}
