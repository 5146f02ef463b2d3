//! The catalogue of attacks, through every door: the simple protocol, the extended one with text and with binary
//! results, COPY, Flight SQL and REST. Each statement is judged by every byte that comes back, by tables that physically hold only what
//! the actor may see, and by a second world that differs in what the actor may not see.

mod flight;
mod flight_parameters;
mod hazards;
mod identity;
mod literals;
mod order;
mod rest;
mod statements;
mod taken_out;
mod twins;
mod without_scan;
mod world;
