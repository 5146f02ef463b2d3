//! Values with a unit, and addresses.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

/// Reads `"30s"`, `"10m"`, `"1h30m"`, `"250ms"`; a number alone is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let error = || format!("\"{text}\" is no duration; write it like \"30s\", \"10m\" or \"1h30m\"");
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(error)?;
        let length = after
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(length);
        let milliseconds = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(error()),
        };
        let part = number
            .checked_mul(milliseconds)
            .map(Duration::from_millis)
            .ok_or_else(error)?;
        total = total.checked_add(part).ok_or_else(error)?;
        rest = next;
    }
    if text.trim().is_empty() {
        Err(error())
    } else {
        Ok(total)
    }
}

/// Reads `"8GiB"`, `"512MiB"`, `"64KB"`; a number alone is bytes.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let error = || format!("\"{text}\" is no size; write it like \"8GiB\" or \"512MiB\"");
    let (number, unit) = split_number(text.trim()).ok_or_else(error)?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(error()),
    };
    number
        .checked_mul(factor)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(error)
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let length = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    Some((digits.parse().ok()?, rest))
}

/// Where a front end listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// On this address.
    On(ListenAddress),
}

/// `HOST:PORT`; port 0 lets the system choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl ListenAddress {
    /// The addresses behind the name; blocks on a name that must be asked for.
    ///
    /// # Errors
    /// The system's, if the name is not known.
    pub fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        Ok((self.host.as_str(), self.port).to_socket_addrs()?.collect())
    }

    /// Whether only this machine can reach it. A name that cannot be resolved counts as reachable from outside.
    pub fn is_loopback(&self) -> bool {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return address.is_loopback();
        }
        self.resolve()
            .is_ok_and(|addresses| !addresses.is_empty() && addresses.iter().all(|one| one.ip().is_loopback()))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let error = || format!("\"{text}\" is neither HOST:PORT nor off");
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let port = port.parse().map_err(|_| error())?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) if host.parse::<IpAddr>().is_ok() => host,
            None if !host.is_empty() && !host.contains(':') => host,
            _ => return Err(error()),
        };
        Ok(Self::On(ListenAddress {
            host: host.to_owned(),
            port,
        }))
    }
}

/// A range of addresses in `10.0.0.0/8` form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// Any address of the range.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix_bits: u8,
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("\"{text}\" is no range of addresses such as \"10.0.0.0/8\"");
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.map_or(Ok(most), |bits| bits.parse::<u8>().map_err(|_| error()))?;
        if prefix_bits > most {
            Err(error())
        } else {
            Ok(Self { address, prefix_bits })
        }
    }
}
