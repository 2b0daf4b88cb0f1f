"""Policy in nftables: a Plan rendered to a ruleset, and the ruleset kept in the kernel."""
