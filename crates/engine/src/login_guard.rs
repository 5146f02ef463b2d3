//! Slows down guessers, counted over all doors together.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::throttle::Throttle;

/// Wrong passwords for one account from one address within [`WRONG_WINDOW`]; the account's owner elsewhere is not
/// locked out.
const WRONG_OF_ACCOUNT_MAX: u32 = 10;
/// Wrong passwords, keys and tokens from one address whatever the account: many people may share an address.
const WRONG_OF_ADDRESS_MAX: u32 = 100;
const WRONG_WINDOW: Duration = Duration::from_secs(60);

/// Remembers who failed to log in lately. Whoever failed too often is refused whatever the proof says, in the words of
/// a wrong password: nothing tells a guesser that a guess was right, or that it was not looked at.
#[derive(Debug)]
pub struct LoginGuard {
    of_account: Throttle<(IpAddr, String)>,
    of_address: Throttle<IpAddr>,
}

impl Default for LoginGuard {
    fn default() -> Self {
        Self {
            of_account: Throttle::new(WRONG_OF_ACCOUNT_MAX, WRONG_WINDOW),
            of_address: Throttle::new(WRONG_OF_ADDRESS_MAX, WRONG_WINDOW),
        }
    }
}

impl LoginGuard {
    /// Whether no password of this user from this address is believed at present.
    pub fn is_closed(&self, peer: IpAddr, user: &str) -> bool {
        let now = Instant::now();
        self.of_address.is_exceeded(&peer, now) || self.of_account.is_exceeded(&(peer, user.to_owned()), now)
    }

    /// Whether nothing from this address is believed at present.
    pub(crate) fn is_address_closed(&self, peer: IpAddr) -> bool {
        self.of_address.is_exceeded(&peer, Instant::now())
    }

    /// Notes a wrong password of that account.
    pub fn count_failure(&self, peer: IpAddr, user: &str) {
        let now = Instant::now();
        self.of_address.count(peer, now);
        self.of_account.count((peer, user.to_owned()), now);
    }

    /// Notes a wrong key or token.
    pub(crate) fn count_stranger(&self, peer: IpAddr) {
        self.of_address.count(peer, Instant::now());
    }
}
