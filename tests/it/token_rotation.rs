//! `token rotate`, and the name of a revoked token that is used again.

use std::time::Duration;

use jobledger::access::{AccessError, NewToken, Role};
use ureq::http::Method;

use crate::support::{Client, HandClock, TestServer, nil, task_job};

const HOUR: Duration = Duration::from_secs(3600);
const HOUR_MICROS: i64 = 3_600_000_000;

fn works(client: &Client) -> bool {
    client.get("/ledger/jobs").status == 200
}

struct Rotating {
    hands: HandClock,
    server: TestServer,
}

impl Rotating {
    fn start() -> Rotating {
        let hands = HandClock::at("2025-01-01T00:00:00Z");
        Rotating { server: TestServer::start_with(hands.clock()), hands }
    }

    fn rotate(&self, overlap: Duration) -> Client {
        let secret = self.server.access().rotate(nil(), "worker", overlap, self.hands.now()).unwrap();
        Client::new(&self.server.url, Some(secret.reveal()))
    }
}

#[test]
fn after_a_rotation_the_old_secret_is_valid_for_the_overlap_and_the_new_one_at_once() {
    let here = Rotating::start();
    let first = here.server.client(Role::Worker);
    first.append(&task_job("a")).expect(201);
    let second = here.rotate(HOUR);
    assert_ne!(first.token, second.token);
    second.append(&task_job("b")).expect(201);
    here.hands.pass(HOUR_MICROS - 1);
    assert_eq!([&first, &second].map(works), [true, true]);
    here.hands.pass(1);
    assert_eq!([&first, &second].map(works), [false, true]);
    assert_eq!(second.get("/ledger/events/2").expect(200).json()["actor"], "worker", "the actor is the same");
}

#[test]
fn a_second_rotation_makes_no_older_secret_good_for_longer() {
    let here = Rotating::start();
    let first = here.server.client(Role::Worker);
    let second = here.rotate(HOUR);
    here.hands.pass(HOUR_MICROS / 2);
    let third = here.rotate(HOUR);
    assert_eq!([&first, &second, &third].map(works), [true; 3]);
    here.hands.pass(HOUR_MICROS / 2);
    assert_eq!([&first, &second, &third].map(works), [false, true, true]);
    // A rotation without overlap ends the leaked secret and all older ones at once.
    let fourth = here.rotate(Duration::ZERO);
    assert_eq!([&first, &second, &third, &fourth].map(works), [false, false, false, true]);
}

#[test]
fn sessions_and_streams_end_with_the_secret_that_they_were_made_with() {
    let here = Rotating::start();
    let first = here.server.client(Role::Worker);
    let sign_in = |client: &Client| {
        let answer = client.send(Method::POST, "/session", &[], b"").expect(204);
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    };
    let read = |cookie: &str| here.server.anonymous().get_with("/ledger/jobs", &[("cookie", cookie)]).status;
    let (old, stream) = (sign_in(&first), first.tail("/ledger/events", &[]));
    let by_cookie = here.server.anonymous().tail("/ledger/events", &[("cookie", &old)]);
    let second = here.rotate(HOUR);
    let (new, mut staying) = (sign_in(&second), second.tail("/ledger/events", &[]));
    assert_eq!([&old, &new].map(|cookie| read(cookie)), [200, 200]);
    here.hands.pass(HOUR_MICROS);
    assert_eq!([&old, &new].map(|cookie| read(cookie)), [401, 200]);
    assert_eq!((stream.rest(), by_cookie.rest()), (vec![], vec![]));
    second.append(&task_job("a")).expect(201);
    assert_eq!(staying.ids(1), [1]);
}

#[test]
fn rotation_does_not_bring_a_token_back() {
    let here = Rotating::start();
    let access = here.server.access();
    let rotate = |name| access.rotate(nil(), name, HOUR, here.hands.now()).map(|_| ());
    assert!(matches!(rotate("worker"), Err(AccessError::Unknown(_))));
    let first = here.server.client(Role::Worker);
    let second = here.rotate(HOUR);
    access.revoke(nil(), "worker", here.hands.now()).unwrap();
    assert!(matches!(rotate("worker"), Err(AccessError::Revoked(_))));
    assert_eq!([&first, &second].map(works), [false, false]);
}

#[test]
fn the_name_of_a_revoked_token_can_be_used_again_for_the_same_role() {
    let here = Rotating::start();
    let access = here.server.access();
    let create = |role, reuse_name| {
        let token = NewToken { reuse_name, ..NewToken::new("worker", role, nil()) };
        access.create(&token, here.hands.now()).map(|secret| Client::new(&here.server.url, Some(secret.reveal())))
    };
    let first = create(Role::Worker, true).expect("a name that was never used");
    assert!(matches!(create(Role::Worker, true), Err(AccessError::Taken(_))), "its token is not revoked");
    access.revoke(nil(), "worker", here.hands.now()).unwrap();
    assert!(matches!(create(Role::Worker, false), Err(AccessError::Taken(_))), "not asked for");
    let other = create(Role::Admin, true).map(|_| ());
    assert!(matches!(other, Err(AccessError::OtherRole { was: Role::Worker, .. })));
    let second = create(Role::Worker, true).unwrap();
    assert_eq!([&first, &second].map(works), [false, true]);
    second.append(&task_job("a")).expect(201);
    assert_eq!(second.get("/ledger/events/1").expect(200).json()["actor"], "worker");
    let listed: Vec<_> =
        access.list().unwrap().into_iter().map(|token| (token.reused, token.revoked.is_some())).collect();
    assert_eq!(listed, [(false, true), (true, false)]);
    // The name stands for the newest token.
    access.revoke(nil(), "worker", here.hands.now()).unwrap();
    assert!(!works(&second));
}
