//! Plans are made here: the questions of `policy::baseline` go to vCenter and the answers back, beside the loop, which
//! waits for none of it. The session with vCenter is held while a job waits for a plan, and ended when none does.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use async_io::Timer;
use smol::channel::Sender;
use smol::future::{self, FutureExt};
use smol::{LocalExecutor, Task};

use super::event::Event;
use crate::config::VcenterConfig;
use crate::model::plan::{PlanRequest, Planned};
use crate::model::stage::Stage;
use crate::model::vmware::{Fault, FaultKind};
use crate::policy::baseline::VmPlanning;
use crate::runtime::tasks::start;
use crate::vsphere::{DiskRef, Vcenter};
use crate::wire::soap::request::Ref;

/// How often an idle session is kept from ending; vCenter ends it after 30 minutes.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(600);
/// How long the end of the daemon may wait for the end of the session (R-84 gives a second in all).
const LOG_OUT_WITHIN: Duration = Duration::from_millis(500);

/// How often it is looked whether a vCenter that was replaced is still in use.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Makes the plan of a VM. `on_areas` is called before the first question for areas, which may take long.
///
/// # Errors
/// Where vCenter could not be asked for the VM at all. A fault after that leaves a plan on a weaker basis.
pub async fn plan(vcenter: &Vcenter, request: &PlanRequest, on_areas: impl AsyncFnOnce()) -> Planned {
    let vm = vcenter.find(&request.vm_path).await?;
    let facts = vcenter.inspect(&vm).await?;
    let snapshot = facts.snapshot.clone().map(|id| Ref::new("VirtualMachineSnapshot", id));
    let mut planning = VmPlanning::new(facts, request);
    if planning.question().is_some() {
        on_areas().await;
    }
    while let Some(question) = planning.question() {
        let (key, capacity_bytes) = (question.key, question.capacity_bytes);
        let disk = DiskRef { vm: &vm, snapshot: snapshot.as_ref(), key, capacity_bytes };
        match vcenter.changed_areas(&disk, &question.baseline).await {
            // Whoever is not let in must not try again soon, with whatever there is of a plan.
            Err(fault) if matches!(fault.kind, FaultKind::LoginRefused | FaultKind::Secrets) => return Err(fault),
            answer => planning.answered(answer),
        }
    }
    Ok(planning.plan())
}

/// Ends the session of a vCenter that was replaced, when the last plan that uses it has come.
async fn end_when_free(vcenter: Rc<Vcenter>) {
    while Rc::strong_count(&vcenter) > 1 {
        Timer::after(LOOK_EVERY).await;
    }
    vcenter.log_out().await;
}

/// The planner of a VMA.
#[derive(Debug)]
pub(super) struct Planner {
    /// `None` where none is configured.
    vcenter: Option<Rc<Vcenter>>,
    executor: Rc<LocalExecutor<'static>>,
    events: Sender<Event>,
    /// Keeps the session alive; there while a job waits for a plan.
    keeper: Option<Task<()>>,
}

impl Planner {
    /// A planner without a session yet; what comes of it arrives at `events`.
    pub(super) fn new(
        config: Option<VcenterConfig>,
        executor: Rc<LocalExecutor<'static>>,
        events: Sender<Event>,
    ) -> Self {
        let vcenter = config.map(|config| Rc::new(Vcenter::new(config)));
        Self { vcenter, executor, events, keeper: None }
    }

    /// vCenter is elsewhere from now on, or known otherwise. What is on its way comes from the one before.
    pub(super) fn redirect(&mut self, config: Option<VcenterConfig>) {
        self.keeper = None;
        if let Some(before) = self.vcenter.take() {
            before.close();
            start(&self.executor, end_when_free(before)).detach();
        }
        self.vcenter = config.map(|config| Rc::new(Vcenter::new(config)));
    }

    /// Makes a plan while the loop goes on.
    pub(super) fn start(&self, request: PlanRequest) {
        let Some(vcenter) = self.vcenter.clone() else { return };
        let events = self.events.clone();
        // No plan is begun before a refusal has had its time.
        vcenter.forgive();
        let planned = async move {
            let reached = async || {
                // The loop has ended where nobody takes it.
                events.send(Event::PlanReached(request.job.clone(), Stage::QueryCbt)).await.ok();
            };
            // What comes from vCenter is read by code that could panic; that must not take the daemon along.
            let planned = AssertUnwindSafe(plan(&vcenter, &request, reached)).catch_unwind().await;
            let planned = planned.unwrap_or_else(|_| {
                let message = "waybill panicked over an answer of vCenter; its own log says where".to_owned();
                Err(Fault { kind: FaultKind::Broken, message })
            });
            events.send(Event::Planned(Box::new((request, planned)))).await.ok();
        };
        start(&self.executor, planned).detach();
    }

    /// Holds the session while a job waits for a plan, and ends it when none does.
    pub(super) fn hold(&mut self, is_wanted: bool) {
        let Some(vcenter) = self.vcenter.clone() else { return };
        match (is_wanted, &self.keeper) {
            (true, None) => {
                self.keeper = Some(start(&self.executor, async move {
                    loop {
                        Timer::after(KEEP_ALIVE_EVERY).await;
                        if let Err(fault) = vcenter.keep_alive().await {
                            log::warn!("vCenter: {fault}");
                        }
                    }
                }));
            }
            (false, Some(_)) => {
                self.keeper = None;
                start(&self.executor, async move { vcenter.log_out().await }).detach();
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Ends the session before the daemon ends.
    pub(super) async fn close(self) {
        let late = async {
            Timer::after(LOG_OUT_WITHIN).await;
        };
        if let Some(vcenter) = &self.vcenter {
            future::or(vcenter.log_out(), late).await;
        }
    }
}
