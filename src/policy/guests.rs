//! Who is let in at port 443, and who may ask for what (R-61, F47). On its own machine everybody may ask for everything;
//! from elsewhere an OMA serves its operators and its VMAs, each of these for its own jobs, and a VMA serves its OMA.

use std::collections::BTreeSet;

use super::refusal::Refusal;
use crate::model::id::VmaName;
use crate::model::peer::{Caller, Peer, Verdict};

/// Those who may come in at an OMA.
#[derive(Debug, Clone, Default)]
pub struct Guests {
    /// The configured VMAs.
    pub vmas: Vec<VmaName>,
    /// SHA-256 of the keys that were revoked.
    pub revoked: BTreeSet<[u8; 32]>,
}

impl Guests {
    /// Whether somebody with a genuine certificate of that key comes in.
    pub fn judge(&self, peer: &Peer, key: &[u8; 32]) -> Verdict {
        let is_served = match peer {
            Peer::Oma => false,
            Peer::Operator(_) => true,
            Peer::Vma(_) | Peer::Named(_) => vma_of(&self.vmas, peer).is_some(),
        };
        match is_served {
            _ if self.revoked.contains(key) => Verdict::Revoked,
            true => Verdict::Served,
            false => Verdict::Foreign,
        }
    }
}

/// The VMA of these that somebody is.
pub fn vma_of<'v>(vmas: impl IntoIterator<Item = &'v VmaName>, peer: &Peer) -> Option<&'v VmaName> {
    vmas.into_iter().find(|name| peer.is_vma(name))
}

/// Whether somebody with a genuine certificate comes in at a VMA, whose OMA may have a certificate of a company's own with
/// the DNS name `known_as`.
pub fn judge_at_vma(peer: &Peer, known_as: Option<&str>) -> Verdict {
    if peer.is_oma(known_as) { Verdict::Served } else { Verdict::Foreign }
}

/// What an OMA is asked for, as far as it matters who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter<'m> {
    /// Whether it is alive.
    Health,
    /// The last change id of a disk. Of any: a VMA that was given another name goes on with its disks.
    LastChangeId,
    /// To keep a change id of this job, which is that VMA's where it is known.
    ChangeId {
        /// The job.
        job: &'m str,
        /// Its VMA.
        owner: Option<&'m VmaName>,
    },
    /// A certificate in place of the caller's own.
    Renewal,
    /// A certificate for a token.
    Enrolment,
    /// Jobs, their rows and the daemon itself.
    Operation,
}

/// Whether somebody may ask an OMA that; `vma` is the configured one that they are.
///
/// # Errors
/// Whose it is instead.
pub fn may_ask_oma(caller: &Caller, vma: Option<&VmaName>, matter: Matter<'_>) -> Result<(), Refusal> {
    let peer = match caller {
        Caller::Local | Caller::Known(Peer::Operator(_), _) => return Ok(()),
        Caller::Applicant if matter == Matter::Enrolment => return Ok(()),
        Caller::Applicant => return Err(not_yours("whoever has no certificate", "not to be asked without one")),
        Caller::Known(peer, _) => peer,
    };
    let Some(vma) = vma else {
        return Err(not_yours(peer, "for the OMA's operators and configured VMAs"));
    };
    let name = format!("the VMA {:?}", vma.as_str());
    match matter {
        Matter::ChangeId { job, owner: Some(owner) } if owner != vma => {
            let whose = format!("a change id of the job {job:?}, which is of the VMA {:?}", owner.as_str());
            Err(not_yours(name, whose))
        }
        Matter::Health | Matter::LastChangeId | Matter::Renewal | Matter::ChangeId { .. } => Ok(()),
        Matter::Operation | Matter::Enrolment => Err(not_yours(name, "for the OMA's operators")),
    }
}

/// Whether somebody may ask a VMA that: what movers say is said on its own machine, and its OMA reads and ends.
///
/// # Errors
/// Whose it is instead.
pub fn may_ask_vma(caller: &Caller, is_of_movers: bool) -> Result<(), Refusal> {
    match caller {
        Caller::Known(peer, _) if is_of_movers => {
            Err(not_yours(peer, "for the movers on the VMA, over its loopback port"))
        }
        Caller::Local | Caller::Known(..) => Ok(()),
        Caller::Applicant => Err(not_yours("whoever has no certificate", "for the OMA, which enrols")),
    }
}

fn not_yours(caller: impl ToString, whose: impl Into<String>) -> Refusal {
    Refusal::NotYours { caller: caller.to_string(), whose: whose.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> VmaName {
        VmaName::parse(text).expect("a name")
    }
    fn known(peer: Peer) -> Caller {
        Caller::Known(peer, [1; 32])
    }

    #[test]
    fn f47_who_is_let_in_is_configured_and_not_revoked() {
        let guests = Guests { vmas: vec![name("a"), name("b.example")], revoked: BTreeSet::from([[9; 32]]) };
        let cases = [
            (Peer::Vma(name("a")), Verdict::Served),
            (Peer::Vma(name("c")), Verdict::Foreign),
            (Peer::Named(vec!["x".into(), "B.example".into()]), Verdict::Served),
            (Peer::Named(vec!["c".into()]), Verdict::Foreign),
            (Peer::Operator("a".into()), Verdict::Served),
            (Peer::Oma, Verdict::Foreign),
        ];
        for (peer, verdict) in cases {
            assert_eq!(guests.judge(&peer, &[1; 32]), verdict, "{peer}");
            assert_eq!(guests.judge(&peer, &[9; 32]), Verdict::Revoked, "{peer}");
        }
        assert_eq!(judge_at_vma(&Peer::Oma, None), Verdict::Served);
        assert_eq!(judge_at_vma(&Peer::Vma(name("a")), Some("a")), Verdict::Foreign);
        assert_eq!(judge_at_vma(&Peer::Named(vec!["oma.example".into()]), Some("oma.example")), Verdict::Served);
    }

    #[test]
    fn f47_a_table_of_who_may_ask_an_oma_for_what() {
        let (a, b) = (name("a"), name("b"));
        let change_id = |owner| Matter::ChangeId { job: "job-1", owner };
        let matters = [
            Matter::Health,
            Matter::LastChangeId,
            change_id(None),
            change_id(Some(&a)),
            change_id(Some(&b)),
            Matter::Renewal,
            Matter::Enrolment,
            Matter::Operation,
        ];
        let table = [
            (Caller::Local, None, [true; 8]),
            (known(Peer::Operator("x".into())), None, [true; 8]),
            (known(Peer::Vma(a.clone())), Some(&a), [true, true, true, true, false, true, false, false]),
            (known(Peer::Vma(name("c"))), None, [false; 8]),
            (Caller::Applicant, None, [false, false, false, false, false, false, true, false]),
        ];
        for (caller, vma, may) in table {
            let answers = matters.map(|matter| may_ask_oma(&caller, vma, matter).is_ok());
            assert_eq!(answers, may, "{caller:?}");
        }
        let refusal = may_ask_oma(&known(Peer::Vma(a.clone())), Some(&a), change_id(Some(&b))).expect_err("b's");
        let said = "the VMA \"a\" asked for what is a change id of the job \"job-1\", which is of the VMA \"b\"";
        assert_eq!(refusal.to_string(), said);
    }

    #[test]
    fn f47_an_oma_reads_and_ends_at_a_vma_and_never_speaks_for_a_mover() {
        for (caller, of_movers, else_) in
            [(Caller::Local, true, true), (known(Peer::Oma), false, true), (Caller::Applicant, false, false)]
        {
            assert_eq!(may_ask_vma(&caller, true).is_ok(), of_movers, "{caller:?}");
            assert_eq!(may_ask_vma(&caller, false).is_ok(), else_, "{caller:?}");
        }
    }
}
