/** `airy completion bash|zsh|fish`: what a shell completes, made from the command table; nothing of airy runs at the key. */
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import type { CommandSpec, OptionSpec } from "./command.ts";
import { commands, type Options } from "./table.ts";

const shells = { bash, zsh, fish };

/** Throws INVALID_ARGUMENT. */
export async function runCompletion(options: Options<"completion">, { io, out }: Context): Promise<void> {
  const named = options.shell ?? io.env.SHELL?.split("/").at(-1) ?? "";
  if (!Object.hasOwn(shells, named)) {
    return fail("INVALID_ARGUMENT", { command: "completion", reason: `Which shell: bash, zsh or fish? SHELL is "${named}".` });
  }
  const script = shells[named as keyof typeof shells]();
  if (out.json) out.result({ shell: named, script });
  else io.stdout(script);
}

interface Known extends CommandSpec {
  name: string;
}

const known: Known[] = Object.entries(commands as Record<string, CommandSpec>).flatMap(([name, spec]) =>
  spec.hidden ? [] : [{ name, ...spec }],
);

/** What stands for a value that is in the file system. */
function pathKind({ value, kind }: OptionSpec): "file" | "folder" | null {
  if (kind !== "text" && kind !== "list") return null;
  return value === "FILE" ? "file" : value === "DIR" ? "folder" : null;
}

function operands(spec: CommandSpec): readonly string[] {
  return (spec.arguments ?? []).flatMap(({ choices }) => choices ?? []);
}

/** Bash 3.2, which macOS has, reads it as well. */
export function bash(): string {
  const values = known.flatMap(({ name, options }) =>
    options.flatMap((option) => {
      if (option.kind === "flag") return [];
      const flags = [`--${option.name}`, ...(option.short ? [`-${option.short}`] : [])].map((flag) => `${name}:${flag}`).join("|");
      const path = pathKind(option);
      if (option.choices) return [`    ${flags}) COMPREPLY=($(compgen -W "${option.choices.join(" ")}" -- "$cur")); return ;;`];
      if (path) return [`    ${flags}) COMPREPLY=($(compgen ${path === "file" ? "-f" : "-d"} -- "$cur")); return ;;`];
      return [`    ${flags}) return ;;`];
    }),
  );
  const words = known.map(({ name, options, ...spec }) => {
    const flags = options.map((option) => `--${option.name}`);
    return `    ${name}) flags="${[...flags, "--help"].join(" ")}"; operands="${operands({ options, ...spec }).join(" ")}" ;;`;
  });
  return `# Bash completion of airy and airy-proxy:  eval "$(airy completion bash)"
_airy() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= flags= operands= i
  COMPREPLY=()
  case \${COMP_WORDS[0]} in
    *airy-proxy) command=proxy ;;
    *)
      for ((i = 1; i < COMP_CWORD; i++)); do
        case \${COMP_WORDS[i]} in -* | help) ;; *) command=\${COMP_WORDS[i]}; break ;; esac
      done ;;
  esac
  case $command:$prev in
${values.join("\n")}
  esac
  case $command in
    "") flags="--help --version"; operands="${known.map(({ name }) => name).join(" ")} help" ;;
${words.join("\n")}
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -W "$operands" -- "$cur")) ;;
  esac
}
complete -o bashdefault -o default -F _airy airy airy-proxy
`;
}

export function zsh(): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const described = (text: string): string => text.replaceAll(/[[\]\\:]/g, (letter) => `\\${letter}`);
  const optionOf = (option: OptionSpec): string => {
    const many = option.kind === "list" ? "*" : "";
    const path = pathKind(option);
    const action = option.choices ? `(${option.choices.join(" ")})` : path === "file" ? "_files" : path === "folder" ? "_files -/" : " ";
    const value = option.kind === "flag" ? "" : `:${described((option.value ?? "value").toLowerCase())}:${action}`;
    return quoted(`${many}--${option.name}[${described(option.description)}]${value}`);
  };
  const cases = known.map(({ name, options, arguments: given = [] }) => {
    const positional = given.map((argument) => {
      const choices = argument.choices ? `(${argument.choices.join(" ")})` : argument.name === "file" ? "_files" : " ";
      return quoted(`${argument.many ? "*" : ""}:${described(argument.description)}:${choices}`);
    });
    return `    ${name}) _arguments -S ${[...options.map(optionOf), quoted("--help[show the help]"), ...positional].join(" \\\n      ")} ;;`;
  });
  return `#compdef airy airy-proxy
# Zsh completion of airy and airy-proxy:  eval "$(airy completion zsh)", after compinit
_airy() {
  local command
  if [[ \${words[1]} == *airy-proxy ]]; then
    command=proxy
  elif ((CURRENT == 2)); then
    local -a commands=(
${known.map(({ name, summary }) => `      ${quoted(`${name}:${described(summary)}`)}`).join("\n")}
    )
    _describe command commands
    return
  else
    command=\${words[2]}
    shift words
    ((CURRENT--))
  fi
  case $command in
${cases.join("\n")}
  esac
}
if [[ \${funcstack[1]} == _airy ]]; then _airy "$@"; else compdef _airy airy airy-proxy; fi
`;
}

export function fish(): string {
  const quoted = (text: string): string => `'${text.replaceAll("\\", String.raw`\\`).replaceAll("'", String.raw`\'`)}'`;
  const optionOf = (program: string, when: string, option: OptionSpec): string => {
    const { name, kind, short, description, choices } = option;
    const value = kind === "flag" ? "" : choices ? ` -x -a ${quoted(choices.join(" "))}` : pathKind(option) ? " -r -F" : " -x";
    return `complete -c ${program} ${when}-l ${name}${short ? ` -s ${short}` : ""}${value} -d ${quoted(description)}`;
  };
  const lines = known.flatMap((spec) => {
    const when = `-n '__fish_seen_subcommand_from ${spec.name}' `;
    const choices = operands(spec);
    return [
      `complete -c airy -n __fish_use_subcommand -f -a ${spec.name} -d ${quoted(spec.summary)}`,
      ...spec.options.map((option) => optionOf("airy", when, option)),
      ...(choices.length > 0 ? [`complete -c airy ${when}-f -a ${quoted(choices.join(" "))}`] : []),
    ];
  });
  return `# Fish completion of airy and airy-proxy:  airy completion fish | source
complete -c airy -n __fish_use_subcommand -f -l version -d 'Print the version'
${[...lines, ...commands.proxy.options.map((option) => optionOf("airy-proxy", "", option))].join("\n")}
`;
}
