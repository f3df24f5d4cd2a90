/** What stands around a context, a question and an answer: a chat template's turns, or a few plain words. */
import { UserError } from '../base/errors.js';
import { renderChat } from './chat-template.js';

export interface PromptTemplate {
  /** Before the context. */
  head: string;
  /** Between context and question. */
  question: string;
  /** Between question and answer. */
  answer: string;
  /** Behind the answer: an end token, where there is one, comes first. */
  end: string;
  /** Whether the parts are pieces of one text, so that no word of them begins it. */
  whole: boolean;
}

/** For models that bring no template of their own. */
export const plainPrompt: PromptTemplate = {
  head: '',
  question: '\n\nQuestion: ',
  answer: '\nAnswer:',
  end: '',
  whole: false,
};

const CONTEXT = 'kvdContextMark';
const QUESTION = 'kvdQuestionMark';
const ANSWER = 'kvdAnswerMark';
const BETWEEN = '\n\n';

/** `text` around the only `mark` in it. */
function around(text: string, mark: string, where: string): [before: string, after: string] {
  const parts = text.split(mark);
  if (parts.length === 2) return parts as [string, string];
  throw new UserError('bad-chat-template', `the chat template gives a message ${parts.length - 1} times`, {
    where,
    hint: 'Give tokenizer_config.json a kvd_prompt: {question, answer} instead.',
  });
}

/**
 * A chat template's text around a context and its question, in one turn of the user's, and an answer in the model's.
 * @param variables the special tokens by their names in tokenizer_config.json
 */
export function chatPrompt(
  template: string,
  variables: Record<string, string>,
  where: string,
): PromptTemplate {
  const user = { role: 'user', content: `${CONTEXT}${BETWEEN}${QUESTION}` } as const;
  const assistant = { role: 'assistant', content: ANSWER } as const;
  const [asked, answered] = renderChat(
    template,
    [
      { messages: [user], add_generation_prompt: true },
      { messages: [user, assistant], add_generation_prompt: false },
    ],
    { ...variables, enable_thinking: false },
    where,
  ) as [string, string];
  const [head, rest] = around(asked, CONTEXT, where);
  const [question, opened] = around(rest, QUESTION, where);
  const [before, end] = around(answered, ANSWER, where);
  // What the model's turn holds before its words (a space, an empty thought) belongs to the prompt.
  const answer = before.startsWith(asked) ? opened + before.slice(asked.length) : opened;
  return { head, question, answer, end, whole: true };
}
