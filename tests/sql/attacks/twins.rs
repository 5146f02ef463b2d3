//! Oracle 2: in two worlds that differ in what the actor may not see, the same is said, to the byte.

use system_tests::transport::Transport;

use system_tests::attack_statements::{ANA, DORA, Expect, MORE, told};
use system_tests::attack_tables::{Twin, card};

use super::world::World;

async fn doors(world: &World, user: &str) -> Vec<Box<dyn Transport>> {
    let mut doors = world.doors(user).await;
    // In JSON nothing shows where a batch ends, so that bytes can be counted.
    doors.retain(|door| door.name() != "rest");
    doors.push(Box::new(world.rest_door(user).await.in_json()));
    doors
}

async fn transcripts_are_equal(user: &str, statements: &[(&str, &str, Expect)]) {
    let first = World::open(Twin::First).await;
    let second = World::open(Twin::Second).await;
    let mut wrong = Vec::new();
    let mut batched = 0;
    let statements = statements
        .iter()
        .map(|(_, sql, _)| *sql)
        .chain(MORE.iter().copied())
        .map(str::to_owned);
    let mut statements = statements.collect::<Vec<_>>();
    for twin in [Twin::First, Twin::Second] {
        statements.push(format!(
            "SELECT count(*) FROM trips WHERE card_number = '{}'",
            card(twin, 1)
        ));
    }
    let doors = doors(&first, user).await.into_iter().zip(doors(&second, user).await);
    for (mut here, mut there) in doors {
        for sql in &statements {
            let (one, bytes) = first.ask(&mut *here, sql).await;
            let (other, bytes_there) = second.ask(&mut *there, sql).await;
            if told(&one) != told(&other) {
                let text = format!(
                    "{user} {sql} ({}): {}\nin the twin world {}",
                    here.name(),
                    told(&one),
                    told(&other)
                );
                wrong.push(text.chars().take(3000).collect::<String>());
                continue;
            }
            match (&one, here.name()) {
                // A driver closes statements when it likes, so its bytes cannot be told apart.
                (_, "extended binary") => {}
                // Which row fails first is a matter of the order of files.
                (Err(failure), _) if failure.sqlstate.starts_with("22") => {}
                // Rows come in batches as they are read from files.
                (Ok(answer), "flight") if answer.rows.len() > 1 => batched += usize::from(bytes != bytes_there),
                _ if bytes != bytes_there => wrong.push(format!(
                    "{user} {sql} ({}): {bytes} bytes and {bytes_there}",
                    here.name()
                )),
                _ => {}
            }
        }
    }
    println!("{user}: {batched} answers through flight have their rows in other batches in the twin world");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dora() {
    transcripts_are_equal("dora", DORA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ana() {
    transcripts_are_equal("ana", ANA).await;
}
