/** A policy as YAML, each rule's lines in it, and each rule in words. */

const API = { NetworkPolicy: ["networking.k8s.io/v1", "NetworkPolicy"], CalicoNetworkPolicy: ["projectcalico.org/v3", "NetworkPolicy"] };

function selectorOf(apps, anywhere) {
  if (anywhere) return 'k8s-app == "kube-dns"';
  return apps.length ? apps.map((app) => `app == "${app}"`).join(" || ") : "all()";
}

function peerLines({ apps, nets, anywhere }) {
  if (apps) return [`selector: ${selectorOf(apps, anywhere)}`];
  return nets ? ["nets:", ...nets.map((net) => `  - ${net}`)] : [];
}

/** Lines of one rule, indented for its place in the list. */
function ruleLines(rule) {
  const lines = [`    - action: ${rule.action}`];
  if (rule.protocol) lines.push(`      protocol: ${rule.protocol.toUpperCase()}`);
  const peer = peerLines(rule);
  const ports = rule.ports ? ["ports:", ...rule.ports.map((port) => `  - ${port}`)] : [];
  const [source, dest] = rule.direction === "Ingress" ? [peer, ports] : [[], [...peer, ...ports]];
  for (const [key, part] of [["source", source], ["destination", dest]]) {
    if (part.length) lines.push(`      ${key}:`, ...part.map((line) => `        ${line}`));
  }
  return lines;
}

/** "Deny TCP 80 from anyone". */
function words(rule) {
  const what = [rule.protocol?.toUpperCase() ?? "everything", rule.ports?.join(", ")].filter(Boolean).join(" ");
  const peer = rule.nets?.join(", ")
    ?? (rule.apps ? (rule.anywhere ? "pods with k8s-app = kube-dns" : rule.apps.length ? `pods with app = ${rule.apps.join(" or ")}` : "any known endpoint") : "anyone");
  const all = !rule.protocol && !rule.ports && peer === "anyone";
  return all ? `${rule.action} everything` : `${rule.action} ${what} ${rule.direction === "Ingress" ? "from" : "to"} ${peer}`;
}

/** The parts of a policy that are made from its rules: full_name, selector, selects, yaml, and text and lines per rule. */
export function manifest(policy) {
  const [api, kind] = API[policy.kind] ?? ["projectcalico.org/v3", policy.kind];
  const kubernetes = policy.kind === "NetworkPolicy";
  const full = kubernetes ? policy.name : `${policy.tier}.${policy.name}`;
  const selector = policy.select.app ? `app == '${policy.select.app}'` : "all()";
  const lines = [`apiVersion: ${api}`, `kind: ${kind}`, "metadata:", `  name: ${full}`];
  if (policy.namespace) lines.push(`  namespace: ${policy.namespace}`);
  lines.push("spec:", ...(kubernetes ? [] : [`  tier: ${policy.tier}`, `  order: ${policy.order}`]), `  selector: ${selector}`, "  types:",
    ...policy.types.map((type) => `    - ${type}`));
  const rules = [];
  for (const direction of ["Ingress", "Egress"]) {
    const own = policy.rules.filter((rule) => rule.direction === direction);
    if (own.length) lines.push(`  ${direction.toLowerCase()}:`);
    own.forEach((rule, index) => {
      const body = ruleLines(rule);
      rules.push({ ...rule, index, text: words(rule), lines: [lines.length + 1, lines.length + body.length] });
      lines.push(...body);
    });
  }
  const pods = policy.select.app ? `pods with app = ${policy.select.app}` : "all pods";
  return { full_name: full, selector, selects: policy.namespace ? `${pods} in ${policy.namespace}` : pods, yaml: `${lines.join("\n")}\n`, rules };
}
