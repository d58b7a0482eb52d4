//! The rules about flags: who decides them, what they require, for whom they are on.

use std::{collections::BTreeSet, fmt, sync::Arc};

use mainstay::{
    core::{Caller, Clock, Precondition, Step, StepKind, Subject},
    store::StoreError,
};

use super::{
    error::{CreateError, DeleteError, EvaluateAllError, EvaluateError, LookupError, UpdateError},
    model::{
        ADMIN, Change, Definition, Entry, Evaluation, Flag, FlagKey, FlagSet, Listed, NewFlag,
        Reason, Shown, Version, View,
    },
    repository::Repository,
};

/// Everything one can ask of this module. Clones share it.
///
/// A change is decided on the whole set as it is then, and made only if that is still the set: of
/// two changes at the same time one is decided again. So none is lost, and no two together make
/// what neither would have been allowed to: a cycle, a flag too many, a prerequisite that is gone.
/// A lap is lost only to a change that was made, and the request's deadline ends the last.
#[derive(Clone)]
pub(crate) struct Flags(Arc<Inner>);

struct Inner {
    repository: Arc<dyn Repository>,
    clock: Arc<dyn Clock>,
}

impl Flags {
    /// The flags kept in `repository`; [`sql`](super::sql) makes one.
    pub(crate) fn new(repository: Arc<dyn Repository>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { repository, clock }))
    }

    /// Makes a flag.
    pub(crate) async fn create(&self, new: NewFlag, caller: &Caller) -> Result<Shown, CreateError> {
        let Inner { repository, clock } = &*self.0;
        let NewFlag { key, definition } = new;
        let now = clock.now();
        let mut flag =
            Flag { key, definition, version: Version::default(), created_at: now, updated_at: now };
        loop {
            let set = repository.current().await?;
            if set.find(&flag.key).is_some() {
                return Err(CreateError::KeyTaken);
            }
            if set.is_full() {
                return Err(CreateError::TooMany);
            }
            set.check_prerequisites(&flag.key, &flag.definition.prerequisites)?;
            flag.version = set.version.next();
            if repository.create(&flag, &Change::created(&flag, caller.subject)).await? {
                return Ok(Shown { flag: Arc::new(flag), view: View::Whole });
            }
        }
    }

    /// The flag of this key.
    pub(crate) async fn get(&self, key: &FlagKey, caller: &Caller) -> Result<Shown, LookupError> {
        let set = self.0.repository.all().await?;
        let flag = set.find(key).ok_or(LookupError::NotFound)?;
        Ok(Shown { flag: flag.clone(), view: view_of(caller) })
    }

    /// One page of flags, in the order of their keys, from the one after this key on.
    pub(crate) async fn list(
        &self,
        after: Option<&FlagKey>,
        limit: u32,
        caller: &Caller,
    ) -> Result<Listed<Shown, FlagKey>, StoreError> {
        let set = self.0.repository.all().await?;
        let view = view_of(caller);
        let later = set.flags().filter(|flag| after.is_none_or(|after| flag.key > *after));
        let shown = later.take(limit as usize + 1).map(|flag| Shown { flag: flag.clone(), view });
        Ok(Listed::cut(shown.collect(), limit, |shown| shown.flag.key.clone()))
    }

    /// Replaces what was decided about a flag, if it is of a version that `condition` permits. To
    /// replace it by the same changes nothing.
    pub(crate) async fn update(
        &self,
        key: &FlagKey,
        definition: Definition,
        condition: &Precondition,
        caller: &Caller,
    ) -> Result<Shown, UpdateError> {
        let Inner { repository, clock } = &*self.0;
        loop {
            let set = repository.current().await?;
            let present = set.find(key).ok_or(UpdateError::NotFound)?;
            if !condition.permits(present.version.0) {
                return Err(UpdateError::PreconditionFailed);
            }
            if present.definition == definition {
                return Ok(Shown { flag: present.clone(), view: View::Whole });
            }
            set.check_prerequisites(key, &definition.prerequisites)?;
            let flag = Flag {
                definition: definition.clone(),
                version: set.version.next(),
                updated_at: clock.now(),
                ..Flag::clone(present)
            };
            let change = Change::updated(present, &flag, caller.subject);
            if repository.update(&flag, &change).await? {
                return Ok(Shown { flag: Arc::new(flag), view: View::Whole });
            }
        }
    }

    /// Removes a flag that no other requires, if it is of a version that `condition` permits.
    pub(crate) async fn delete(
        &self,
        key: &FlagKey,
        condition: &Precondition,
        caller: &Caller,
    ) -> Result<(), DeleteError> {
        let Inner { repository, clock } = &*self.0;
        loop {
            let set = repository.current().await?;
            let present = set.find(key).ok_or(DeleteError::NotFound)?;
            if !condition.permits(present.version.0) {
                return Err(DeleteError::PreconditionFailed);
            }
            if set.requires(key) {
                return Err(DeleteError::InUse);
            }
            let (version, now) = (set.version.next(), clock.now());
            let change = Change::deleted(present, version, caller.subject, now);
            if repository.delete(&change).await? {
                return Ok(());
            }
        }
    }

    /// One page of the changes of a flag, newest first, from the one before this version on; also
    /// of a flag that was removed, and none of one that never was.
    pub(crate) async fn changes(
        &self,
        key: &FlagKey,
        before: Version,
        limit: u32,
    ) -> Result<Listed<Change, Version>, StoreError> {
        let changes = self.0.repository.changes(key, before, limit + 1).await?;
        Ok(Listed::cut(changes, limit, |change| change.version))
    }

    /// What a flag is for the caller, or for an administrator for anybody.
    pub(crate) async fn evaluate(
        &self,
        key: FlagKey,
        subject: Option<Subject>,
        caller: &Caller,
    ) -> Result<Evaluation, EvaluateError> {
        let subject = subject_of(subject, caller).ok_or(EvaluateError::Forbidden)?;
        let set = self.0.repository.all().await?;
        let evaluation = Evaluator::new(&set, subject).evaluate(key);
        // The route names no flag, and a journal only what the source does.
        Step::note(StepKind::Flags, "flag", evaluation.reason.word(), Some(1));
        if evaluation.reason == Reason::Unknown {
            return Err(EvaluateError::NotFound);
        }
        Ok(evaluation)
    }

    /// The same for these flags, or for all, in the order of their keys.
    pub(crate) async fn evaluate_all(
        &self,
        keys: Option<BTreeSet<FlagKey>>,
        subject: Option<Subject>,
        caller: &Caller,
    ) -> Result<Vec<Evaluation>, EvaluateAllError> {
        let subject = subject_of(subject, caller).ok_or(EvaluateAllError::Forbidden)?;
        let set = self.0.repository.all().await?;
        let keys = keys.unwrap_or_else(|| set.flags().map(|flag| flag.key.clone()).collect());
        let mut evaluator = Evaluator::new(&set, subject);
        let evaluations: Vec<_> = keys.into_iter().map(|key| evaluator.evaluate(key)).collect();
        let on = evaluations.iter().filter(|evaluation| evaluation.reason.is_on()).count();
        Step::note(StepKind::Flags, "flags on", "evaluated", Some(on as i64));
        Ok(evaluations)
    }
}

fn view_of(caller: &Caller) -> View {
    if caller.has(ADMIN) { View::Whole } else { View::WithoutPeople }
}

/// For whom a caller asks; `None` if they may not.
///
/// No event tells that an administrator asked for somebody else: it is how another service asks for
/// each of its users, and nothing of theirs is looked at.
fn subject_of(wanted: Option<Subject>, caller: &Caller) -> Option<Subject> {
    let subject = wanted.unwrap_or(caller.subject);
    (subject == caller.subject || caller.has(ADMIN)).then_some(subject)
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flags").finish_non_exhaustive()
    }
}

/// Evaluates flags for one subject, each at most once however many require it.
#[derive(Debug)]
struct Evaluator<'a> {
    set: &'a FlagSet,
    subject: Subject,
    /// By place in the set.
    known: Vec<Known>,
}

#[derive(Clone, Debug)]
enum Known {
    Nothing,
    /// Something that it requires is looked at first.
    Begun,
    Reason(Reason),
}

impl<'a> Evaluator<'a> {
    fn new(set: &'a FlagSet, subject: Subject) -> Self {
        Self { set, subject, known: vec![Known::Nothing; set.entries.len()] }
    }

    /// What a flag is for the subject, and why.
    fn evaluate(&mut self, key: FlagKey) -> Evaluation {
        let reason = self.set.place(&key).map_or(Reason::Unknown, |place| self.reason(place));
        Evaluation { key, reason }
    }

    /// Goes down to what is required by a list of its own: flags may be a thousand deep, and the
    /// stack of a thread is not made for it.
    fn reason(&mut self, place: usize) -> Reason {
        let mut ahead = vec![place];
        while let Some(place) = ahead.last().copied() {
            if !matches!(self.known[place], Known::Reason(_)) {
                match self.look(place) {
                    Ok(reason) => self.known[place] = Known::Reason(reason),
                    Err(required) => {
                        self.known[place] = Known::Begun;
                        ahead.push(required);
                        continue;
                    }
                }
            }
            ahead.pop();
        }
        match &self.known[place] {
            Known::Reason(reason) => reason.clone(),
            Known::Nothing | Known::Begun => unreachable!("the loop ends when it is known"),
        }
    }

    /// The reason, or the place of the flag that has to be known before.
    fn look(&self, place: usize) -> Result<Reason, usize> {
        let Entry { flag, prerequisites } = &self.set.entries[place];
        let definition = &flag.definition;
        if !definition.enabled {
            return Ok(Reason::Disabled);
        }
        for (required, place) in definition.prerequisites.iter().zip(prerequisites) {
            let known = place.map(|place| (place, &self.known[place]));
            let is_on = match known {
                Some((place, Known::Nothing)) => return Err(place),
                Some((_, Known::Reason(reason))) => reason.is_on(),
                // No change leaves a cycle or a gap, but somebody may have had the table in hand.
                Some((_, Known::Begun)) | None => false,
            };
            if !is_on {
                return Ok(Reason::Prerequisite(required.clone()));
            }
        }
        if definition.allow.contains(&self.subject) {
            return Ok(Reason::Allowed);
        }
        Ok(Reason::Rollout(definition.rollout.reaches(&flag.key, self.subject)))
    }
}

#[cfg(test)]
mod tests;
