//! vCenter in the world: it is asked when the source wants it, answers late, and what it says is drawn by lot.

use waybill::model::disk::Basis;
use waybill::model::plan::{DiskPlan, PlanRequest, Planned, VmPlan, WantedDisk};
use waybill::model::stage::Stage;
use waybill::model::vmware::{Exclusion, Fault, FaultKind};
use waybill::policy::dice::Dice;

use crate::movers::change_id;
use crate::world::World;

/// The keys of the VM's disks.
const KEYS: [i64; 2] = [2000, 2001];

impl World {
    /// Asks vCenter about all jobs of a VMA that are due; each answer comes within `late_ms`.
    pub fn ask_vcenter(
        &mut self,
        vma: usize,
        late_ms: u64,
        dice: &mut Dice,
        mut answer: impl FnMut(&PlanRequest, &mut Dice) -> Planned,
    ) {
        let now = self.vma_now(vma);
        let mut due = Vec::new();
        drop(self.vmas[vma].act(now, |source| {
            due.extend(std::iter::from_fn(|| source.next_plan()));
            Ok(())
        }));
        for request in due {
            let planned = answer(&request, dice);
            let at = self.now_ms() + 1 + dice.below(late_ms);
            let asked = request.job.clone();
            self.at(self.now_ms() + 1, move |world| {
                let now = world.vma_now(vma);
                let reached = |source: &mut waybill::policy::source::Source| {
                    source.planning_reached(now, &asked, Stage::QueryCbt);
                    Ok(())
                };
                drop(world.vmas[vma].act(now, reached));
            });
            self.at(at, move |world| {
                let now = world.vma_now(vma);
                drop(world.vmas[vma].act(now, |source| {
                    source.planned(now, &request, &planned);
                    Ok(())
                }));
            });
        }
    }
}

/// Any answer: a fault, or a plan on any basis, with and without doubts.
pub fn by_lot(request: &PlanRequest, dice: &mut Dice) -> Planned {
    const FAULTS: [FaultKind; 4] =
        [FaultKind::Unreachable, FaultKind::LoginRefused, FaultKind::NoSuchVm, FaultKind::Broken];
    if dice.below(3) == 0 {
        let kind = FAULTS[dice.below(4) as usize];
        return Err(Fault { kind, message: format!("it failed with {kind:?}") });
    }
    let disks = KEYS.map(|key| {
        let named = format!("disk-{key}");
        let is_it = |disk: &&WantedDisk| disk.device_key == Some(key) || disk.id.as_str() == named;
        disk(key, request.disks.iter().find(is_it), dice)
    });
    let missing = request.disks.iter().filter(|wanted| disks.iter().all(|disk| disk.disk.as_ref() != Some(&wanted.id)));
    Ok(VmPlan {
        name: "web01".to_owned(),
        vm: "vm-57".to_owned(),
        snapshot: None,
        missing: missing.map(|wanted| wanted.id.clone()).collect(),
        disks: disks.into(),
    })
}

fn disk(key: i64, wanted: Option<&WantedDisk>, dice: &mut Dice) -> DiskPlan {
    let basis = [Basis::CbtAllocated, Basis::CbtDelta, Basis::Layout, Basis::Capacity][dice.below(4) as usize];
    DiskPlan {
        disk: wanted.map(|wanted| wanted.id.clone()),
        key,
        label: format!("Hard disk {}", key - 1999),
        capacity_bytes: 500,
        planned_bytes: if dice.below(5) == 0 { 0 } else { dice.below(200) },
        basis,
        areas: basis.is_of_cbt().then(|| dice.below(9)),
        previous: None,
        change_id: waybill::model::id::ChangeId::from_text(&change_id(dice.below(9) as u32)),
        suspect: (dice.below(4) == 0).then(|| "change tracking was reset".to_owned()),
        reasons: if basis.is_of_cbt() { Vec::new() } else { vec!["change tracking is off".to_owned()] },
        excluded: (dice.below(9) == 0).then_some(Exclusion::Independent),
        may_improve: !basis.is_of_cbt(),
    }
}
