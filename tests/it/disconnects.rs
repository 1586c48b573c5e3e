//! A read goes on when its client disconnects. Until the read ends, it keeps its turn, and other readers wait for the list that it makes.

use std::pin::{Pin, pin};
use std::sync::mpsc::{Sender, channel};
use std::task::Poll;

use jobledger::access::Role;
use jobledger::job::{JobKey, OrgId, Position, Summary};
use jobledger::ledger::{AsOf, Folder, Ledger, Options, system_clock};
use serde_json::json;

use crate::support::wait::until_some;
use crate::support::{TestServer, started, task_job};

/// Runs `test` with a ledger that has one turn and one running job, where one thread does all blocking work.
fn with_one_thread(test: impl AsyncFnOnce(&Ledger, &JobKey)) {
    let mut server = TestServer::start();
    server.client(Role::Admin).append(&json!([task_job("a"), started("a")])).expect(201);
    server.stop();
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).enable_all().build();
    threads.unwrap().block_on(async {
        let options = || Options { turns: 1, clock: system_clock(), ..Options::default() };
        // A child of another test may hold the lock between its fork and its exec.
        let ledger = until_some("the folder is free", || Ledger::open(Folder::new(server.path()), options()).ok());
        let key = JobKey { org: OrgId::default(), id: "a".parse().unwrap() };
        // From here on the views show the whole log.
        assert!(ledger.job(&key, None).await.unwrap().value.is_some());
        test(&ledger, &key).await;
        ledger.close();
    });
}

/// Keeps the thread busy until the answer is dropped.
fn busy() -> Sender<()> {
    let (end, ended) = channel();
    drop(tokio::task::spawn_blocking(move || ended.recv()));
    end
}

/// Polls `future` once; whether it waits.
async fn waits(mut future: Pin<&mut impl Future>) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// Begins `read` and drops it, as the server does when the client disconnects.
async fn abandoned(read: impl Future) {
    assert!(waits(pin!(read)).await);
}

#[test]
fn a_read_keeps_its_turn_until_it_ends() {
    with_one_thread(async |ledger, key| {
        for past in [false, true] {
            let busy = busy();
            let turn = ledger.turn(None).await.unwrap();
            match past {
                true => abandoned(ledger.job_as_of(&turn, key, AsOf::Position(Position::new(1)))).await,
                false => abandoned(ledger.whole_job(&turn, key)).await,
            }
            drop(turn);
            assert_eq!((ledger.turns().held(), ledger.turns().most()), (1, 1));
            let mut next = pin!(ledger.turn(None));
            assert!(waits(next.as_mut()).await, "past: {past}");
            drop(busy);
            next.await.unwrap();
        }
    });
}

#[test]
fn a_list_that_is_being_made_is_not_made_again() {
    fn row(job: &Summary) -> Vec<u8> {
        job.key.id.to_string().into()
    }
    with_one_thread(async |ledger, key| {
        let busy = busy();
        abandoned(ledger.running_tasks(key.org, None, row)).await;
        let mut second = pin!(ledger.running_tasks(key.org, None, row));
        assert!(waits(second.as_mut()).await);
        drop(busy);
        assert_eq!(second.await.unwrap().value.concat(), b"a");
        assert_eq!(ledger.metrics().running_lists.get(), 1);
    });
}
