//! One disk's plan as it is made: which question goes to CBT next, what its answer means, and what serves where CBT does
//! not. A change id that is in doubt is never asked with: what it would answer may be too little.

use super::suspect::Suspect;
use crate::model::disk::Basis;
use crate::model::id::{ChangeId, DiskId};
use crate::model::job::SyncKind;
use crate::model::plan::{Baseline, DiskPlan, WantedDisk};
use crate::model::vmware::{Areas, DiskFacts, Fault, FaultKind, VmFacts};

/// The plan of a disk on its way.
#[derive(Debug, Clone)]
pub(super) struct DiskPlanning {
    facts: DiskFacts,
    disk: Option<DiskId>,
    previous: Option<ChangeId>,
    question: Option<Baseline>,
    told: Option<(Areas, Basis)>,
    /// Why CBT did not answer for the previous change id, which may not have been the id's fault.
    refused: Option<String>,
    suspects: Vec<Suspect>,
    reasons: Vec<String>,
    may_improve: bool,
}

impl DiskPlanning {
    /// A disk of the VM, and what the job says of it where it knows it.
    /// `is_after_snapshot` is true where the mover has taken its own snapshot by now.
    pub(super) fn new(
        vm: &VmFacts,
        facts: &DiskFacts,
        sync: Option<SyncKind>,
        wanted: Option<&WantedDisk>,
        is_after_snapshot: bool,
    ) -> Self {
        let previous = wanted.and_then(|wanted| wanted.previous.clone()).filter(|_| sync != Some(SyncKind::Full));
        let mut planning = Self {
            facts: facts.clone(),
            disk: wanted.map(|wanted| wanted.id.clone()),
            previous,
            question: None,
            told: None,
            refused: None,
            suspects: Vec::new(),
            reasons: Vec::new(),
            may_improve: false,
        };
        let then = wanted.and_then(|wanted| wanted.capacities_then.iter().find(|(key, _)| *key == facts.key));
        let first = planning.first_question(sync, then.map(|(_, bytes)| *bytes));
        if planning.can_be_asked(vm, is_after_snapshot) {
            planning.question = Some(if planning.suspects.is_empty() { first } else { Baseline::Whole });
        }
        planning
    }

    /// Whether CBT has an answer for this disk; the reasons say why not.
    fn can_be_asked(&mut self, vm: &VmFacts, is_after_snapshot: bool) -> bool {
        if let Some(excluded) = self.facts.excluded {
            self.reasons.push(format!(
                "VMware leaves it out of snapshots and change tracking, because it is {excluded}: make it a dependent disk, \
                 or copy it from inside the VM"
            ));
            return false;
        }
        if !vm.tracks_changes {
            self.may_improve = true;
            self.reasons.push(if vm.can_track_changes {
                "change tracking is off: set changeTrackingEnabled, then power the VM on or take a snapshot".to_owned()
            } else {
                format!(
                    "the VM cannot track changes (hardware version {:?}): upgrade it to 7 or later",
                    vm.hardware_version
                )
            });
            if self.previous.is_some() {
                self.suspects.push(Suspect::TrackingOff);
            }
            return false;
        }
        if !vm.untracked_snapshots.is_empty() {
            // Tracking that began in the middle of a chain of snapshots may name too few areas, and that without a word.
            let names = vm.untracked_snapshots.join(", ");
            self.may_improve = true;
            self.reasons.push(format!(
                "change tracking was enabled while the VM had snapshots ({names}): remove them, switch tracking off and on"
            ));
            self.suspects.push(Suspect::EnabledUnderSnapshots(names));
            return false;
        }
        if vm.snapshot.is_none() && !vm.is_powered_off {
            self.may_improve = true;
            self.reasons.push("the VM runs and has no snapshot yet, which the areas could be asked of".to_owned());
            return false;
        }
        let ids = self
            .previous
            .as_ref()
            .and_then(ChangeId::point)
            .zip(self.facts.change_id.as_ref().and_then(ChangeId::point));
        if let Some((then, now)) = ids.filter(|(then, now)| then.uuid == now.uuid && then.counter > now.counter) {
            if is_after_snapshot {
                self.suspects.push(Suspect::Ahead { then: then.counter, now: now.counter });
                return true;
            }
            // Somebody's own, older than the last run: the mover will take another.
            self.may_improve = true;
            self.reasons.push(
                "the VM's snapshot is older than the previous change id: it is not the one to be copied".to_owned(),
            );
            return false;
        }
        true
    }

    fn first_question(&mut self, sync: Option<SyncKind>, capacity_then: Option<u64>) -> Baseline {
        let Some(previous) = self.previous.clone() else {
            if sync == Some(SyncKind::Incremental) {
                let why = "no previous change id is known, without which a mover copies everything";
                self.reasons.push(format!("{why}: declare previous_change_id"));
            }
            return Baseline::Whole;
        };
        let doubts = Suspect::before_asking(&previous, &self.facts, capacity_then);
        let is_sound = doubts.is_empty();
        self.suspects.extend(doubts);
        if is_sound { Baseline::Since(previous) } else { Baseline::Whole }
    }

    /// The areas to ask for; `None` where there is nothing more to ask.
    pub(super) fn question(&self) -> Option<&Baseline> {
        self.question.as_ref()
    }

    pub(super) fn facts(&self) -> &DiskFacts {
        &self.facts
    }

    /// CBT has answered the question.
    pub(super) fn answered(&mut self, answer: Result<Areas, &Fault>) {
        let Some(question) = self.question.take() else { return };
        match (question, answer) {
            (Baseline::Since(_), Ok(areas)) if areas.bytes >= self.facts.capacity_bytes => {
                self.suspects.push(Suspect::DeltaIsCapacity);
                self.question = Some(Baseline::Whole);
            }
            (Baseline::Since(_), Ok(areas)) => self.told = Some((areas, Basis::CbtDelta)),
            (Baseline::Whole, Ok(areas)) => {
                // Everything but that change id is well, so that it was the id.
                self.suspects.extend(self.refused.take().map(Suspect::Refused));
                self.told = Some((areas, Basis::CbtAllocated));
            }
            // vCenter need not say which argument it was.
            (Baseline::Since(_), Err(fault)) if fault.kind == FaultKind::InvalidArgument => {
                self.refused = Some(fault.message.clone());
                self.question = Some(Baseline::Whole);
            }
            (Baseline::Since(_), Err(fault)) if fault.kind == FaultKind::ChangeIdRefused => {
                self.suspects.push(Suspect::Refused(fault.message.clone()));
                self.question = Some(Baseline::Whole);
            }
            (Baseline::Since(_) | Baseline::Whole, Err(fault)) => self.fail(fault),
        }
    }

    /// Nothing more is asked, because vCenter has failed.
    pub(super) fn fail(&mut self, fault: &Fault) {
        self.question = None;
        self.may_improve = !matches!(fault.kind, FaultKind::InvalidArgument | FaultKind::NotSupported);
        self.reasons.push(format!("{}: {}", fault.message, fault.kind.remedy()));
    }

    /// The plan, with the best basis that was to be had.
    pub(super) fn plan(mut self) -> DiskPlan {
        let capacity = self.facts.capacity_bytes;
        let layout = self.facts.layout_bytes.map(|bytes| bytes.min(capacity));
        let (planned_bytes, basis) = match (self.told, layout) {
            (Some((areas, basis)), _) => (areas.bytes, basis),
            (None, Some(bytes)) => (bytes, Basis::Layout),
            (None, None) => {
                self.reasons.push("vCenter tells no sizes of its files: the whole disk is planned".to_owned());
                (capacity, Basis::Capacity)
            }
        };
        let suspects: Vec<String> = self.suspects.iter().map(ToString::to_string).collect();
        DiskPlan {
            disk: self.disk,
            key: self.facts.key,
            label: self.facts.label,
            capacity_bytes: capacity,
            planned_bytes,
            basis,
            areas: self.told.map(|(areas, _)| areas.count),
            previous: self.previous,
            change_id: self.facts.change_id,
            suspect: (!suspects.is_empty()).then(|| format!("{}: copy this disk in full once", suspects.join("; "))),
            reasons: self.reasons,
            excluded: self.facts.excluded,
            may_improve: self.may_improve,
        }
    }
}
