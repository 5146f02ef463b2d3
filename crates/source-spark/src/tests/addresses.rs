use std::sync::Arc;

use crate::{SparkAddress, Token};

#[test]
fn addresses_are_read() {
    let address = SparkAddress::parse("sc://Spark.Example:15003/;user_id=ana;x-databricks-cluster-id=0123").unwrap();
    assert_eq!(address.user(), "ana");
    assert!(format!("{address:?}").contains("host: \"spark.example\", port: 15003, encrypted: false"));
    assert!(format!("{:?}", SparkAddress::parse("sc://h").unwrap()).contains("port: 15002"));
}

#[test]
fn a_token_is_encrypted_and_never_shown() {
    let text = "sc://host:443/;token=dapi%3Dsecret;x-key=secret-too";
    let shown = format!("{:?}", SparkAddress::parse(text).unwrap());
    assert!(shown.contains("encrypted: true"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(SparkAddress::parse("sc://host/;token=t;use_ssl=false").is_err());
    SparkAddress::parse("sc://localhost/;token=t").unwrap();
    let token = Arc::new(Token::new("secret"));
    let address = SparkAddress::parse("sc://host/;use_ssl=false").unwrap();
    assert!(address.with_token(token.clone()).is_err());
    let address = SparkAddress::parse("sc://host").unwrap().with_token(token).unwrap();
    assert!(format!("{address:?}").contains("encrypted: true"));
}

#[test]
fn what_is_no_address_is_refused_without_being_repeated() {
    for text in [
        "http://host",
        "sc://",
        "sc://user:secret@host",
        "sc://host/path",
        "sc://host:99999",
        "sc://host:0",
        "sc://host/;token",
        "sc://host/;a=b=c",
        "sc://host/;use_ssl=maybe",
        "sc://host/;grpc_keepalive_time_ms=secret",
        "sc://host/;grpc_keepalive_time_ms=-1",
        "sc://host/;b(d=secret",
        "sc://host/;x-key=%0Asecret",
    ] {
        let error = SparkAddress::parse(text).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
    }
}
