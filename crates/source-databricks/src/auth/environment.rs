//! Credentials that the official clients would find: variables of the environment and the profile file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use contract::{Error, ErrorKind, Result};
use ini::Ini;
use url::Url;

use super::Credentials;
use crate::secret::Secret;

/// A profile file is a page; more is another file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Attribute names, and the variables that hold them.
const VARIABLES: &[(&str, &str)] = &[
    ("host", "DATABRICKS_HOST"),
    ("token", "DATABRICKS_TOKEN"),
    ("client_id", "DATABRICKS_CLIENT_ID"),
    ("client_secret", "DATABRICKS_CLIENT_SECRET"),
    ("auth_type", "DATABRICKS_AUTH_TYPE"),
    ("azure_workspace_resource_id", "DATABRICKS_AZURE_RESOURCE_ID"),
    ("azure_use_msi", "ARM_USE_MSI"),
    ("azure_client_id", "ARM_CLIENT_ID"),
    ("azure_client_secret", "ARM_CLIENT_SECRET"),
    ("azure_tenant_id", "ARM_TENANT_ID"),
];

type Attributes = BTreeMap<String, String>;

/// Looks for credentials for `workspace` where the official clients look: the environment first, then the profile
/// that `DATABRICKS_CONFIG_PROFILE` names, then the file's default profile, of the file `DATABRICKS_CONFIG_FILE` or
/// `.databrickscfg` in the home folder. What is meant for another host is not used.
///
/// <https://docs.databricks.com/aws/en/dev-tools/auth/unified-auth>
///
/// # Errors
/// `Configuration` if there are none, several of different kinds, or the file cannot be read.
pub fn environment_credentials(service: &str, workspace: &Url) -> Result<Credentials> {
    let variables = VARIABLES
        .iter()
        .filter_map(|(attribute, variable)| Some(((*attribute).to_owned(), std::env::var(variable).ok()?)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let profile = std::env::var("DATABRICKS_CONFIG_PROFILE")
        .ok()
        .filter(|name| !name.is_empty());
    let read = || match config_file() {
        Some(path) => read_file(&path),
        None => Ok(None),
    };
    find(service, workspace, variables, profile.as_deref(), read)
}

fn config_file() -> Option<PathBuf> {
    let named = std::env::var_os("DATABRICKS_CONFIG_FILE").map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".databrickscfg")))
}

fn read_file(path: &std::path::Path) -> Result<Option<String>> {
    let wrong = |what: &str| {
        Error::new(
            ErrorKind::Configuration,
            format!("the profile file {} {what}", path.display()),
        )
    };
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX => Err(wrong("is too long")),
        Ok(_) => std::fs::read_to_string(path)
            .map(Some)
            .map_err(|error| wrong("cannot be read").with_source(error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong("cannot be read").with_source(error)),
    }
}

fn find(
    service: &str,
    workspace: &Url,
    variables: Attributes,
    profile: Option<&str>,
    read: impl FnOnce() -> Result<Option<String>>,
) -> Result<Credentials> {
    let wrong = |what: String| Error::new(ErrorKind::Configuration, format!("service \"{service}\": {what}"));
    let mut attributes = Attributes::new();
    if of_host(&variables, workspace) {
        attributes = variables;
    }
    // The default profile counts only where nothing else says who logs in.
    if profile.is_some() || families(&attributes).is_empty() {
        let named = match read()? {
            Some(text) => section(&text, profile).map_err(|what| wrong(what.to_owned()))?,
            None if profile.is_some() => {
                return Err(wrong("there is no profile file".to_owned())
                    .with_hint("Make ~/.databrickscfg, or name another one in DATABRICKS_CONFIG_FILE."));
            }
            None => None,
        };
        match named {
            Some(found) if of_host(&found, workspace) => {
                for (name, value) in found {
                    attributes.entry(name).or_insert(value);
                }
            }
            None if profile.is_some() => return Err(wrong("the profile file has no profile of that name".to_owned())),
            _ => {}
        }
    }
    credentials(&attributes).map_err(|what| {
        wrong(what.to_owned()).with_hint(
            "Give access_token, client_id and client_secret, or azure; or set DATABRICKS_TOKEN or a profile.",
        )
    })
}

/// One profile of the file; the default one if none is named.
fn section(text: &str, profile: Option<&str>) -> Result<Option<Attributes>, &'static str> {
    let file = Ini::load_from_str(text).map_err(|_| "the profile file is malformed")?;
    let default = file
        .section(Some("__settings__"))
        .and_then(|settings| settings.get("default_profile"));
    let name = profile.or(default).unwrap_or("DEFAULT");
    let found = file.section(Some(name));
    Ok(found.map(|section| {
        let pairs = section.iter().filter(|(_, value)| !value.is_empty());
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }))
}

/// Whether the attributes are for this workspace. A token for one host must not be sent to another.
fn of_host(attributes: &Attributes, workspace: &Url) -> bool {
    let Some(host) = attributes.get("host") else {
        return true;
    };
    let url = match host.contains("://") {
        true => Url::parse(host),
        false => Url::parse(&format!("https://{host}")),
    };
    url.is_ok_and(|url| url.host_str() == workspace.host_str())
}

/// The kinds of credentials that attributes name, in the order of the official clients.
fn families(attributes: &Attributes) -> Vec<&'static str> {
    let has = |names: &[&str]| names.iter().all(|name| attributes.contains_key(*name));
    let uses_identity = attributes.get("azure_use_msi").is_some_and(|value| value == "true");
    let all = [
        ("pat", has(&["token"])),
        ("oauth-m2m", has(&["client_id", "client_secret"])),
        (
            "azure-client-secret",
            has(&["azure_client_id", "azure_client_secret", "azure_tenant_id"]),
        ),
        ("azure-msi", uses_identity),
    ];
    all.into_iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| name)
        .collect()
}

fn credentials(attributes: &Attributes) -> Result<Credentials, &'static str> {
    let found = families(attributes);
    let family = match (attributes.get("auth_type").map(String::as_str), found.as_slice()) {
        (Some(word), _) => *found
            .iter()
            .find(|family| **family == word)
            .ok_or("the auth_type of the environment is not one that its other values make possible")?,
        (None, []) => return Err("no credentials are given, and the environment has none for its host"),
        (None, [one]) => *one,
        (None, _) => return Err("the environment has credentials of several kinds and no auth_type"),
    };
    let value = |name: &str| attributes.get(name).cloned().unwrap_or_default();
    let resource = attributes.get("azure_workspace_resource_id").cloned();
    Ok(match family {
        "pat" => Credentials::Token(Secret::new(value("token"))),
        "oauth-m2m" => Credentials::Machine {
            client_id: value("client_id"),
            client_secret: Secret::new(value("client_secret")),
        },
        "azure-client-secret" => Credentials::Entra {
            tenant_id: value("azure_tenant_id"),
            client_id: value("azure_client_id"),
            client_secret: Secret::new(value("azure_client_secret")),
            workspace_resource_id: resource,
            login_url: None,
        },
        _ => Credentials::ManagedIdentity {
            client_id: attributes.get("azure_client_id").cloned(),
            workspace_resource_id: resource,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[DEFAULT]\nhost = https://a.example.com/\ntoken = of-default\n\n[other]\nhost = b.example.com\nclient_id = id\nclient_secret = s;#x\n";

    fn look(variables: &[(&str, &str)], profile: Option<&str>, host: &str) -> Result<Credentials> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let workspace = Url::parse(host).unwrap();
        find("s", &workspace, variables, profile, || Ok(Some(FILE.to_owned())))
    }

    #[test]
    fn the_environment_comes_before_the_file_and_the_default_profile_last() {
        let token = |found: Result<Credentials>| match found.unwrap() {
            Credentials::Token(secret) => secret.expose().to_owned(),
            other => panic!("{other:?}"),
        };
        let a = "https://a.example.com";
        assert_eq!(token(look(&[("token", "of-environment")], None, a)), "of-environment");
        assert_eq!(token(look(&[], None, a)), "of-default");
        match look(&[], Some("other"), "https://b.example.com").unwrap() {
            Credentials::Machine {
                client_id,
                client_secret,
            } => assert_eq!((client_id.as_str(), client_secret.expose()), ("id", "s;#x")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn credentials_for_another_host_are_not_used() {
        assert!(look(&[], None, "https://c.example.com").is_err());
        let elsewhere = [("token", "t"), ("host", "b.example.com")];
        assert!(look(&elsewhere, None, "https://c.example.com").is_err());
        assert!(look(&[], Some("nobody"), "https://a.example.com").is_err());
    }

    #[test]
    fn several_kinds_need_a_word() {
        let both = [("token", "t"), ("client_id", "c"), ("client_secret", "s")];
        let a = "https://a.example.com";
        assert!(look(&both, None, a).is_err());
        let told = [both.as_slice(), &[("auth_type", "oauth-m2m")]].concat();
        assert!(matches!(look(&told, None, a).unwrap(), Credentials::Machine { .. }));
    }
}
