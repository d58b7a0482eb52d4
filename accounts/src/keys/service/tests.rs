//! The rules about keys, on keys kept in memory.

use std::time::Duration;

use mainstay::core::{Precondition, RoleName};
use uuid::Uuid;

use super::{
    super::{
        model::Scope,
        tests::{Place, in_memory, wanted},
    },
    *,
};
use crate::users::{NewUser, PASSWORD, PasswordChange, USERS_READ, person};

/// A person, a machine, and their keys.
struct Scene {
    place: Place,
    keys: Keys,
    ada: User,
    machine: User,
}

impl Scene {
    async fn new() -> Self {
        let place = in_memory();
        let ada = place.users.create(person("ada@example.com")).await.expect("a free address");
        let machine = NewUser { password: None, ..person("machine@example.com") };
        let machine = place.users.create(machine).await.expect("a free address");
        let clock = Arc::new(place.clock.clone());
        let keys = Keys::new(place.kept.clone(), place.users.clone(), clock);
        Self { place, keys, ada, machine }
    }

    async fn make(&self, new: NewKey, caller: &Caller) -> (Key, Token) {
        self.keys.create(new, caller).await.expect("allowed")
    }

    async fn caller(&self, token: &Token) -> Option<Caller> {
        match self.keys.authenticate(token.hash()).await.expect("the store answers") {
            Found::Caller(caller) => Some(caller),
            Found::Nothing | Found::Over => None,
        }
    }
}

/// A session of a user.
fn session(user: &User, roles: &[RoleName]) -> Caller {
    let (subject, roles) = (user.id.into(), roles.to_vec());
    Caller { subject, roles, credential: Uuid::nil(), scopes: Scopes::All }
}

fn wanted_for(user: &User) -> NewKey {
    NewKey { user: Some(user.id), ..wanted(&[Scope::UsersRead]) }
}

#[tokio::test]
async fn a_key_stands_for_its_owner_within_its_scopes() {
    let scene = Scene::new().await;
    let own = session(&scene.ada, &[]);
    let (key, token) = scene.make(wanted(&[Scope::UsersRead]), &own).await;
    let caller = scene.caller(&token).await.expect("a good key");
    assert_eq!((caller.subject, caller.credential), (scene.ada.id.into(), key.id.0));
    assert_eq!(caller.scopes, Scopes::Only(vec![USERS_READ]));
    assert_eq!(scene.caller(&Token::generate()).await, None);
}

#[tokio::test]
async fn a_key_is_good_for_its_time() {
    let scene = Scene::new().await;
    let own = session(&scene.ada, &[]);
    let (_, token) = scene.make(wanted(&Scope::ALL), &own).await;
    let moment = Duration::from_micros(1);
    scene.place.clock.advance(Duration::from_hours(240).saturating_sub(moment));
    assert!(scene.caller(&token).await.is_some(), "a moment is left");
    assert_eq!(scene.keys.list(None, &own).await.expect("works").len(), 1);
    scene.place.clock.advance(moment);
    assert_eq!(scene.caller(&token).await, None);
    assert_eq!(scene.keys.list(None, &own).await.expect("works"), []);
}

#[tokio::test]
async fn keys_end_with_the_password_and_with_the_account() {
    let scene = Scene::new().await;
    let own = session(&scene.ada, &[]);
    let (_, token) = scene.make(wanted(&Scope::ALL), &own).await;
    let [current, new] = [PASSWORD, "battery staple correct"].map(|text| text.to_owned().into());
    let change = PasswordChange { current, new };
    scene.place.users.set_password(scene.ada.id, change).await.expect("right");
    assert_eq!(scene.caller(&token).await, None);
    assert_eq!(scene.keys.list(None, &own).await.expect("works"), []);

    let (_, token) = scene.make(wanted(&Scope::ALL), &own).await;
    assert!(scene.caller(&token).await.is_some(), "made with the new one");
    scene.place.users.delete(scene.ada.id, Precondition::Absent).await.expect("exists");
    assert_eq!(scene.caller(&token).await, None);
}

#[tokio::test]
async fn an_administrator_makes_keys_for_machines_and_for_nobody_else() {
    let scene = Scene::new().await;
    let root = session(&scene.ada, &[ADMIN]);
    let (_, token) = scene.make(wanted_for(&scene.machine), &root).await;
    let caller = scene.caller(&token).await.expect("a good key");
    assert_eq!(caller.subject, scene.machine.id.into());
    assert_eq!(scene.keys.list(Some(scene.machine.id), &root).await.expect("works").len(), 1);

    let grace = scene.place.users.create(person("grace@example.com")).await.expect("free");
    let for_a_person = scene.keys.create(wanted_for(&grace), &root).await;
    assert!(matches!(for_a_person, Err(CreateError::NotAMachine)), "{for_a_person:?}");
    let for_oneself = scene.keys.create(wanted_for(&scene.ada), &root).await;
    assert!(for_oneself.is_ok());
    let unknown = NewKey { user: Some(UserId(Uuid::nil())), ..wanted(&Scope::ALL) };
    let for_nobody = scene.keys.create(unknown, &root).await;
    assert!(matches!(for_nobody, Err(CreateError::UserNotFound)), "{for_nobody:?}");
}

#[tokio::test]
async fn a_stranger_neither_makes_nor_sees_nor_removes_keys_of_others() {
    let scene = Scene::new().await;
    let stranger = session(&scene.ada, &[]);
    for user in [scene.machine.id, UserId(Uuid::nil())] {
        let new = NewKey { user: Some(user), ..wanted(&Scope::ALL) };
        let made = scene.keys.create(new, &stranger).await;
        assert!(matches!(made, Err(CreateError::Forbidden)), "{made:?}");
        let seen = scene.keys.list(Some(user), &stranger).await;
        assert!(matches!(seen, Err(ListError::Forbidden)), "{seen:?}");
    }
    let root = session(&scene.ada, &[ADMIN]);
    let (key, token) = scene.make(wanted_for(&scene.machine), &root).await;
    let removed = scene.keys.delete(key.id, &stranger).await;
    assert!(matches!(removed, Err(DeleteError::NotFound)), "{removed:?}");
    assert!(scene.caller(&token).await.is_some());
    scene.keys.delete(key.id, &root).await.expect("an administrator may");
    assert_eq!(scene.caller(&token).await, None);
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute() {
    let scene = Scene::new().await;
    let own = session(&scene.ada, &[]);
    let (_, token) = scene.make(wanted(&Scope::ALL), &own).await;
    let noted = async || scene.keys.list(None, &own).await.expect("works")[0].last_used_at;
    assert_eq!(noted().await, None);
    let first = scene.place.clock.now();
    for _ in 0..2 {
        scene.caller(&token).await.expect("a good key");
        assert_eq!(noted().await, Some(first));
        scene.place.clock.advance(Duration::from_secs(59));
    }
    scene.caller(&token).await.expect("a good key");
    assert_ne!(noted().await, Some(first));
}
