//! Password hashing (argon2id) that cannot take the machine from everything else.
//!
//! A hash costs a core for tens of milliseconds and 19 MiB, on purpose. So few run at a time, few
//! wait, and the rest is refused at once: a flood of log-ins slows log-ins and nothing else.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::{self, phc},
};
use mainstay_core::{Code, Fault, FaultSet, Secret, Step, StepKind};
use mainstay_web::codes::OVERLOADED;
use tokio::{sync::Semaphore, task};
use unicode_normalization::UnicodeNormalization as _;

use super::hash::{PasswordCost, PasswordHash};

/// With some 25 hashes a second on a core, the last in the queue waits about a second: as long as
/// [`PasswordsBusy`] asks those it turns away to wait.
const QUEUE_PER_CORE: usize = 25;

/// How much hashing there may be.
#[derive(Clone, Copy, Debug)]
pub struct PasswordOptions {
    /// Of one hash.
    pub cost: PasswordCost,
    /// Hashes computed at the same time; each has a core and 19 MiB. At least 1.
    pub concurrency: usize,
    /// Callers that may wait for their turn.
    pub queue_max: usize,
}

impl PasswordOptions {
    /// How many hashes the machine can compute at the same time.
    pub(crate) fn cores() -> usize {
        thread::available_parallelism().map_or(1, usize::from)
    }
}

impl Default for PasswordOptions {
    /// One for each core.
    fn default() -> Self {
        let cores = Self::cores();
        Self {
            cost: PasswordCost::RECOMMENDED,
            concurrency: cores,
            queue_max: cores * QUEUE_PER_CORE,
        }
    }
}

/// More passwords wait to be hashed than can be in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue for password hashing is full")]
pub struct PasswordsBusy;

impl Fault for PasswordsBusy {
    fn code(&self) -> Code {
        OVERLOADED
    }

    fn detail(&self) -> Cow<'static, str> {
        OVERLOADED.meaning.into()
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

impl FaultSet for PasswordsBusy {
    fn declare(codes: &mut Vec<Code>) {
        codes.push(OVERLOADED);
    }
}

/// How busy the pool is, and what it has refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordFigures {
    /// Hashes that are being computed.
    pub running: usize,
    /// Hashes that may be computed at once.
    pub max: usize,
    /// Callers that wait for their turn.
    pub waiting: usize,
    /// Callers that were turned away since the start.
    pub refused: u64,
}

/// Hashes and verifies passwords on the runtime's blocking threads; cheap to clone.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    argon2: Argon2<'static>,
    cost: PasswordCost,
    /// One permit for everybody who waits or is served.
    places: Arc<Semaphore>,
    /// One permit for everybody who is served; first come, first served.
    turns: Arc<Semaphore>,
    /// How many of each there are.
    places_max: usize,
    turns_max: usize,
    refused: AtomicU64,
    /// What is verified when there is no account.
    ///
    /// Its salt and its output are random bytes and not the hash of anything: comparing against it
    /// costs exactly what a real comparison costs, nobody knows a password that matches, and it
    /// is at hand when the first request arrives, without 40 ms of work at the start.
    nobody: PasswordHash,
}

impl Passwords {
    /// Starts no thread. Panics when the system has no random numbers.
    pub fn new(options: PasswordOptions) -> Self {
        let PasswordOptions { cost, concurrency, queue_max } = options;
        let concurrency = concurrency.max(1);
        Self(Arc::new(Inner {
            nobody: hash_of_nothing(cost),
            argon2: cost.argon2(),
            cost,
            places: Arc::new(Semaphore::new(concurrency + queue_max)),
            turns: Arc::new(Semaphore::new(concurrency)),
            places_max: concurrency + queue_max,
            turns_max: concurrency,
            refused: AtomicU64::new(0),
        }))
    }

    /// Hashes a new password, normalised, with a salt of its own. Refused at once when the queue is
    /// full.
    ///
    /// Dropping the future before its turn costs nothing; a hash that has begun is finished.
    pub async fn hash(&self, password: &Secret<String>) -> Result<PasswordHash, PasswordsBusy> {
        let hashed = self.in_turn(password, |inner, password| {
            inner.argon2.hash_password(password.reveal().as_bytes())
        });
        // The password is shorter than 4 GiB and the parameters are valid; what remains is a
        // system without random numbers, which `new` would have found.
        Ok(PasswordHash(hashed.await?.expect("hashing a password cannot fail")))
    }

    /// Whether the password is the one that was hashed. Without a hash (no such account, or one
    /// without a password) it takes as long, and the answer is no.
    ///
    /// Dropping the future before its turn costs nothing; a comparison that has begun is finished.
    pub async fn verify(
        &self,
        password: &Secret<String>,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, PasswordsBusy> {
        let hash = hash.unwrap_or(&self.0.nobody).0.clone();
        self.in_turn(password, move |inner, password| {
            // Every error is a no: `parse` has refused hashes that cannot be computed.
            inner.argon2.verify_password(password.reveal().as_bytes(), &hash).is_ok()
        })
        .await
    }

    /// Whether a hash that has just been verified should be made anew with the same password,
    /// because the cost has risen since it was made.
    pub fn is_outdated(&self, hash: &PasswordHash) -> bool {
        hash.is_cheaper_than(self.0.cost)
    }

    /// How busy it is.
    pub fn figures(&self) -> PasswordFigures {
        let inner = &*self.0;
        let running = inner.turns_max - inner.turns.available_permits();
        let inside = inner.places_max - inner.places.available_permits();
        let refused = inner.refused.load(Ordering::Relaxed);
        // The two are read one after the other, and somebody may leave in between.
        let waiting = inside.saturating_sub(running);
        PasswordFigures { running, max: inner.turns_max, waiting, refused }
    }

    /// Runs work on a blocking thread when its turn comes.
    async fn in_turn<T: Send + 'static>(
        &self,
        password: &Secret<String>,
        work: impl FnOnce(&Inner, &Secret<String>) -> T + Send + 'static,
    ) -> Result<T, PasswordsBusy> {
        let step = Step::begin(StepKind::Password, "argon2id");
        let Ok(place) = self.0.places.clone().try_acquire_owned() else {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            step.fail("refused");
            return Err(PasswordsBusy);
        };
        let turn = self.0.turns.clone().acquire_owned().await.map_err(|_| PasswordsBusy)?;
        step.turn();
        let (inner, password) = (self.0.clone(), normalised(password));
        let working = task::spawn_blocking(move || {
            // Held until the work ends, even when nobody waits for it any longer: it is the work
            // that occupies the core.
            let _held = (place, turn);
            work(&inner, &password)
        });
        let worked = working.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => PasswordsBusy,
        })?;
        step.end("ok", None);
        Ok(worked)
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("places_left", &self.0.places.available_permits())
            .finish_non_exhaustive()
    }
}

/// The same password typed on another keyboard is the same: NFKC, by NIST SP 800-63B-4 section
/// 3.1.1.2. Nothing is cut off.
fn normalised(password: &Secret<String>) -> Secret<String> {
    if password.reveal().is_ascii() {
        return password.clone();
    }
    // Room for the longest result, so that no copy is left behind where the text grew: a character
    // of at most three bytes becomes at most 18 of them (UAX #15 section 12.2).
    let mut text = String::with_capacity(password.reveal().len() * 11);
    text.extend(password.reveal().nfkc());
    Secret::new(text)
}

/// A hash of this cost that no password has.
fn hash_of_nothing(cost: PasswordCost) -> PasswordHash {
    let random = || password_hash::try_generate_salt().expect("the system has random numbers");
    let output = [random(), random()].concat();
    PasswordHash(phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: (&cost.params()).try_into().expect("every parameter set has a text"),
        salt: Some(phc::Salt::new(&random()).expect("16 bytes are a salt")),
        hash: Some(phc::Output::new(&output).expect("32 bytes are an output")),
    })
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn cheap(concurrency: usize, queue_max: usize) -> Passwords {
        Passwords::new(PasswordOptions { cost: PasswordCost::LEAST, concurrency, queue_max })
    }

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn only_the_hashed_password_verifies() {
        let passwords = cheap(1, 0);
        let hash = passwords.hash(&secret("correct horse")).await.expect("not busy");
        let stored = PasswordHash::parse(&hash.to_phc()).expect("written by us");
        assert_eq!(passwords.verify(&secret("correct horse"), Some(&stored)).await, Ok(true));
        assert_eq!(passwords.verify(&secret("correct hors"), Some(&stored)).await, Ok(false));
        assert_eq!(passwords.verify(&secret("correct horse"), None).await, Ok(false));
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let passwords = cheap(1, 0);
        let first = passwords.hash(&secret("correct horse")).await.expect("not busy");
        let second = passwords.hash(&secret("correct horse")).await.expect("not busy");
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn nobody_costs_as_much_as_somebody() {
        let passwords = Passwords::new(PasswordOptions::default());
        let real = passwords.hash(&secret("correct horse")).await.expect("not busy").to_phc();
        assert!(real.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{real}");
        let nobody = passwords.0.nobody.to_phc();
        let cost = |phc: &str| phc.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(cost(&nobody), cost(&real));
        assert_eq!(nobody.len(), real.len());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let passwords = cheap(1, 1);
        let _served = passwords.0.turns.clone().acquire_owned().await.expect("open");
        let _place = passwords.0.places.clone().acquire_owned().await.expect("open");
        let password = secret("correct horse");
        let mut waiting = pin!(passwords.hash(&password));
        assert!(poll_once(waiting.as_mut()).is_pending());
        assert_eq!(passwords.verify(&password, None).await, Err(PasswordsBusy));
        let figures = PasswordFigures { running: 1, max: 1, waiting: 1, refused: 1 };
        assert_eq!(passwords.figures(), figures);
        assert_eq!(PasswordsBusy.retry_after(), Some(Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn a_caller_that_leaves_before_its_turn_costs_nothing() {
        let passwords = cheap(1, 1);
        let served = passwords.0.turns.clone().acquire_owned().await.expect("open");
        let password = secret("correct horse");
        {
            let mut waiting = pin!(passwords.hash(&password));
            assert!(poll_once(waiting.as_mut()).is_pending());
            assert_eq!(passwords.0.places.available_permits(), 1);
        }
        assert_eq!(passwords.0.places.available_permits(), 2);
        drop(served);
        assert_eq!(passwords.verify(&password, None).await, Ok(false));
    }

    #[tokio::test]
    async fn a_password_is_the_same_on_every_keyboard_and_whole() {
        let passwords = cheap(1, 0);
        let composed = "Gr\u{fc}\u{df}e aus K\u{f6}ln am Rhein";
        let hash = passwords.hash(&secret(composed)).await.expect("not busy");
        let same = async |text: &str| passwords.verify(&secret(text), Some(&hash)).await;
        assert_eq!(same("Gru\u{308}\u{df}e aus Ko\u{308}ln am Rhein").await, Ok(true));
        assert_eq!(same("Gr\u{fc}sse aus K\u{f6}ln am Rhein").await, Ok(false));

        let long = "\u{1f511}".repeat(128);
        let hash = passwords.hash(&secret(&long)).await.expect("not busy");
        let same = async |text: &str| passwords.verify(&secret(text), Some(&hash)).await;
        assert_eq!(same(&long).await, Ok(true));
        assert_eq!(same(&long[..127 * 4]).await, Ok(false));
    }

    #[tokio::test]
    async fn a_hash_made_at_a_lower_cost_is_outdated() {
        let cheap = cheap(1, 0);
        let hash = cheap.hash(&secret("correct horse")).await.expect("not busy");
        assert!(!cheap.is_outdated(&hash));
        assert!(Passwords::new(PasswordOptions::default()).is_outdated(&hash));
    }

    #[test]
    fn a_hash_does_not_print_itself() {
        let hash = hash_of_nothing(PasswordCost::LEAST);
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }
}
