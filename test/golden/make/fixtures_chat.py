"""Makes test/golden/chat.json: chat templates in the forms that instruct models ship, and Transformers' rendering.

Run with `transformers` 5.23: python test/golden/make/fixtures_chat.py. The templates are written after the formats of
Llama-3, Mistral, Gemma-2, Phi-3, Qwen-2.5 and Qwen-3 (tools left out); those with a folder of the same name in
test/golden/tokenizers are tokenized with it, too.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer
from transformers.utils.chat_template_utils import render_jinja_template

GOLDEN = Path(__file__).resolve().parent.parent
CONTEXT = "Mara Holt moved to Zürich in 1931.\n\nShe kept <|eot_id|> bees </s> and <end_of_turn> wrote  twice\ta week."
QUESTION = "Where did Mara move?"
ANSWER = "To Zürich."

ALTERNATE = (
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
)
TEMPLATES = {
    "llama3": (
        "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
        " + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
        "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    ),
    "mistral": (
        "{{ bos_token }}{% for message in messages %}" + ALTERNATE + "{% if message['role'] == 'user' %}"
        "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
        "{{ ' ' + message['content'] + eos_token }}{% else %}"
        "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
        {"bos_token": "<s>", "eos_token": "</s>"},
    ),
    "gemma": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{% for message in messages %}" + ALTERNATE + "{% if (message['role'] == 'assistant') %}"
        "{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
        {"bos_token": "<s>", "eos_token": "</s>"},
    ),
    "phi3": (
        "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + "
        "'<|end|>\n' }}{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '<|end|>\n' }}"
        "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\n' + message['content'] + '<|end|>\n' }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
        {"bos_token": "<s>", "eos_token": "<|endoftext|>"},
    ),
    "qwen2": (
        "{%- if messages[0]['role'] == 'system' %}\n    {{- '<|im_start|>system\\n' + messages[0]['content'] + "
        "'<|im_end|>\\n' }}\n{%- else %}\n    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}\n"
        "{%- endif %}\n{%- for message in messages %}\n    {%- if (message.role == \"user\") or (message.role == "
        "\"system\" and not loop.first) or (message.role == \"assistant\" and not message.tool_calls) %}\n"
        "        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n    {%- endif %}\n"
        "{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n",
        {"bos_token": "", "eos_token": "<|im_end|>"},
    ),
    "qwen3": (
        "{%- set ns = namespace(last=messages|length - 1, looking=true) %}\n{%- for message in messages[::-1] %}\n"
        "    {%- set index = (messages|length - 1) - loop.index0 %}\n    {%- if ns.looking and message.role == \"user\" and "
        "message.content is string and not message.content.startswith('<tool_response>') %}\n"
        "        {%- set ns.looking = false %}\n        {%- set ns.last = index %}\n    {%- endif %}\n{%- endfor %}\n"
        "{%- for message in messages %}\n    {%- set content = message.content %}\n    {%- if message.role == 'user' %}\n"
        "        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}\n"
        "    {%- elif message.role == 'assistant' %}\n        {%- set thought = '' %}\n"
        "        {%- if '</think>' in content %}\n            {%- set thought = content.split('</think>')[0]"
        ".rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}\n"
        "            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n        {%- endif %}\n"
        "        {%- if loop.index0 > ns.last and (loop.last or thought) %}\n            {{- '<|im_start|>' + message.role "
        "+ '\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}\n        {%- else %}\n"
        "            {{- '<|im_start|>' + message.role + '\\n' + content }}\n        {%- endif %}\n"
        "        {{- '<|im_end|>\\n' }}\n    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
        "    {{- '<|im_start|>assistant\\n' }}\n    {%- if enable_thinking is defined and enable_thinking is false %}\n"
        "        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n{%- endif %}",
        {"bos_token": "", "eos_token": "<|im_end|>"},
    ),
}


def render(template, variables, messages, prompt):
    texts, _ = render_jinja_template(
        [messages], chat_template=template, add_generation_prompt=prompt, enable_thinking=False, **variables
    )
    return texts[0]


def main():
    made = {"context": CONTEXT, "question": QUESTION, "answer": ANSWER, "templates": {}}
    for name, (template, variables) in TEMPLATES.items():
        user = {"role": "user", "content": f"{CONTEXT}\n\n{QUESTION}"}
        asked = render(template, variables, [user], True)
        answered = render(template, variables, [user, {"role": "assistant", "content": ANSWER}], False)
        entry = {"template": template, "variables": variables, "asked": asked, "answered": answered}
        folder = GOLDEN / "tokenizers" / name
        if folder.exists():
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            # A context without control tokens, up to its end: what is cached.
            plain = CONTEXT.replace("<|eot_id|>", "").replace("</s>", "").replace("<end_of_turn>", "")
            head = asked.split(CONTEXT)[0]
            entry["context_ids"] = tokenizer.encode(head + plain, add_special_tokens=False).ids
        made["templates"][name] = entry
    text = json.dumps(made, ensure_ascii=False, indent=1)
    (GOLDEN / "chat.json").write_text(text, encoding="utf-8")


main()
