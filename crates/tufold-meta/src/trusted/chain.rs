//! Which way a search came to a targets role.

/// The chain of delegations from the top-level targets role to a role.
///
/// One role name may be delegated by several others, each with keys of its own, so a name alone
/// does not say whose word is being taken: a document is trusted for the chain it was checked for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RoleChain(Vec<String>);

impl RoleChain {
    /// The top-level targets role itself.
    pub fn top() -> Self {
        Self(vec!["targets".into()])
    }

    /// The chain to a role that this one delegates to.
    #[must_use]
    pub fn delegate(&self, role: &str) -> Self {
        let mut names = Vec::with_capacity(self.0.len() + 1);
        names.extend_from_slice(&self.0);
        names.push(role.into());
        Self(names)
    }

    /// The role at the end.
    pub fn role(&self) -> &str {
        self.0.last().map_or("targets", String::as_str)
    }

    /// The chain to the delegator; `None` for the top-level role.
    pub fn delegator(&self) -> Option<Self> {
        let (_, names) = self.0.split_last()?;
        (!names.is_empty()).then(|| Self(names.to_vec()))
    }

    /// The names from the top-level role to the last.
    pub fn roles(&self) -> &[String] {
        &self.0
    }

    /// Whether `other` is a delegator of this chain's role, at any distance.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        self.0.len() > other.0.len() && self.0.starts_with(&other.0)
    }
}
