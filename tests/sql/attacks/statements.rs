//! What is sent, and what must come back.

use system_tests::attack_statements::{ANA, DORA, Expect, told};
use system_tests::attack_tables::{Twin, reference};
use system_tests::transport::Transport;
use system_tests::transport_wire::Simple;

use super::world::World;

async fn attack(actor: &str, statements: &[(&str, &str, Expect)]) {
    let world = World::open(Twin::First).await;
    let physical = reference(&world.server.engine, actor).await;
    let mut physical = Simple::connect(physical.address, "root").await.unwrap();
    let mut copy = Simple::connect(world.recorder.address, actor).await.unwrap();
    let mut doors = world.doors(actor).await;
    let mut wrong = Vec::new();
    for (id, sql, expect) in statements {
        let expected = told(&physical.run(sql).await);
        for door in &mut doors {
            let (answer, _) = world.ask(&mut **door, sql).await;
            let mut complain = |what: String| wrong.push(format!("{id} {sql} ({}): {what}", door.name()));
            if let Some(what) = expect.complaint(&answer) {
                complain(what);
            }
            // A file that another catalog holds is not there in the reference; its error says the same.
            if told(&answer) != expected {
                complain(
                    format!("{} instead of {expected}", told(&answer))
                        .chars()
                        .take(1500)
                        .collect(),
                );
            }
            if let (Ok(answer), "simple") = (&answer, door.name()) {
                let (copied, _) = world.ask(&mut copy, &format!("COPY ({sql}) TO STDOUT")).await;
                match copied {
                    Ok(copied) if copied.sorted() == answer.sorted() => {}
                    Ok(copied) => wrong.push(format!("{id} COPY {sql}: {} rows differ", copied.rows.len())),
                    // As in PostgreSQL only a query is copied.
                    Err(failure) if failure.sqlstate == "42601" && sql.starts_with("TABLE") => {}
                    Err(failure) => wrong.push(format!("{id} COPY {sql}: {failure}")),
                }
            }
        }
    }
    println!(
        "scoreboard attacks ({actor}): {} statements at {} doors and COPY, {} findings",
        statements.len(),
        doors.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dora() {
    attack("dora", DORA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ana() {
    attack("ana", ANA).await;
}
