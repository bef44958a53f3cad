/* A scripted agent of the Agent Client Protocol, version 1: for tests, with no model behind it.
 *
 * The text of a prompt is what it does, in statements separated by ';':
 *   say TEXT, think TEXT, stream N MS, flow FILE MS (streams until that file is there, and then says how many), tool, plan, usage TOKENS AMOUNT, mode, novelty,
 *   permission KIND PATH, read PATH, write PATH TEXT, unknown, sleep MS,
 *   again (the next request has the id of the one before), stop REASON, fail, auth, crash, garbage, huge MEGABYTES, close,
 *   opened FILE (writes the line that opened the session into it), settings (says its mode, model, effort and directory),
 *   capable, in DIRECTORY, limit BYTES, terminal PROGRAM ARGUMENT, output, wait, end, release
 * Its first argument may make it a bad one from the start: silence, auth, version, crash, garbage.
 * "resume" advertises session/resume, "load" session/load, whose history it plays again; "login" wants to be
 * authenticated with a key. */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *buffer;
static size_t filled, room;
static int cancelled, turn, asked = 100, authenticated;
static const char *kind = "";
static char terminal[64], directory[1024], *opening;
static int limit, capable;
static char mode[64] = "code", model[64] = "small", effort[64] = "low";

static void out(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

/* The next line within so many milliseconds (-1: for ever), to be freed; NULL when there is none. */
static char *next_line(int wait) {
    for (;;) {
        char *end = filled ? memchr(buffer, '\n', filled) : NULL;
        if (end) {
            size_t length = (size_t)(end - buffer);
            char *line = malloc(length + 1);
            memcpy(line, buffer, length);
            line[length] = 0;
            filled -= length + 1;
            memmove(buffer, end + 1, filled);
            return line;
        }
        struct pollfd input = {0, POLLIN, 0};
        if (poll(&input, 1, wait) <= 0) return NULL;
        if (filled + 4096 > room) buffer = realloc(buffer, room = 2 * room + 8192);
        ssize_t count = read(0, buffer + filled, 4096);
        if (count <= 0) exit(0);
        filled += (size_t)count;
    }
}

static int has(const char *line, const char *text) { return strstr(line, text) != NULL; }

static long number_after(const char *line, const char *key) {
    const char *at = strstr(line, key);
    return at ? atol(at + strlen(key)) : -1;
}

/* Keeps the text that follows the key in the line, if it is there. */
static void keep(char *place, const char *line, const char *key) {
    const char *at = strstr(line, key);
    if (at) sscanf(at + strlen(key), "%63[^\"]", place);
}

/* What can be chosen, and what is. */
static const char *options(void) {
    static char json[1024];
    sprintf(json, "\"configOptions\":[{\"id\":\"model\",\"name\":\"Model\",\"category\":\"model\",\"type\":\"select\",\"currentValue\":\"%s\",\"options\":[{\"value\":\"small\",\"name\":\"Small\"},{\"value\":\"big\",\"name\":\"Big\"}]},{\"id\":\"effort\",\"name\":\"Effort\",\"category\":\"thought_level\",\"type\":\"select\",\"currentValue\":\"%s\",\"options\":[{\"value\":\"low\",\"name\":\"Low\"},{\"value\":\"high\",\"name\":\"High\"}]}]", model, effort);
    return json;
}

/* Sleeps, and hears when the turn is to end. */
static void nap(int ms) {
    while (!cancelled) {
        char *line = next_line(ms);
        if (!line) return;
        if (has(line, "\"session/cancel\"")) cancelled = 1;
        free(line);
    }
}

static void update(const char *json) {
    out("{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{\"sessionId\":\"s-1\",\"update\":%s}}", json);
}

static void chunk(const char *which, const char *text) {
    char *json = malloc(strlen(text) + 200);
    sprintf(json, "{\"sessionUpdate\":\"%s\",\"content\":{\"type\":\"text\",\"text\":\"%s\"}}", which, text);
    update(json);
    free(json);
}

/* Makes a request and says what is answered: the option, the content, or the error. */
static void ask(const char *method, const char *params) {
    int id = asked++;
    char key[32], said[600];
    out("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":%s}", id, method, params);
    sprintf(key, "\"id\":%d,", id);
    for (;;) {
        char *line = next_line(-1);
        if (has(line, "\"session/cancel\"")) cancelled = 1;
        const char *words[] = {"\"optionId\":\"", "\"content\":\"", "\"message\":\"", "\"output\":\"", "\"signal\":\"", "\"exitCode\":", NULL};
        if (has(line, key) && !has(line, "\"method\"")) {
            strcpy(said, has(line, "\"cancelled\"") ? "cancelled" : "null");
            char *made = strstr(line, "\"terminalId\":\"");
            if (made) sprintf(terminal, "%.16s", made + strlen("\"terminalId\":\"")), strcpy(said, "made ");
            for (int i = 0; words[i]; i++) {
                char *at = strstr(line, words[i]);
                if (!at) continue;
                snprintf(said, sizeof said, "%.500s", at + strlen(words[i]));
                said[strcspn(said, i < 5 ? "\"\\" : ",}")] = 0;
                break;
            }
            free(line);
            chunk("agent_message_chunk", said);
            return;
        }
        free(line);
    }
}

/* Does one statement; says whether the turn goes on. */
static int perform(char *statement, long id) {
    char one[1024] = "", two[1024] = "", params[9000];
    int a = 0, b = 0;
    while (*statement == ' ') statement++;
    char *rest = strchr(statement, ' ');
    rest = rest ? rest + 1 : statement + strlen(statement);
    size_t length = strcspn(statement, " ");
    sscanf(rest, "%1023s %1023s", one, two);
    a = atoi(one), b = atoi(two);
#define IS(word) (length == strlen(word) && !strncmp(statement, word, length))
    if (IS("say")) chunk("agent_message_chunk", rest);
    else if (IS("think")) chunk("agent_thought_chunk", rest);
    else if (IS("stream")) {
        for (int i = 0; i < a && !cancelled; i++) {
            sprintf(params, "<%d.%d>", turn, i);
            chunk("agent_message_chunk", params);
            nap(b);
        }
    } else if (IS("flow")) {
        int i = 0;
        for (; access(one, F_OK) && !cancelled; i++) {
            sprintf(params, "<%d.%d>", turn, i);
            chunk("agent_message_chunk", params);
            nap(b);
        }
        sprintf(params, "=%d", i);
        chunk("agent_message_chunk", params);
    } else if (IS("tool")) {
        update("{\"sessionUpdate\":\"tool_call\",\"toolCallId\":\"t1\",\"title\":\"edit\",\"kind\":\"edit\",\"status\":\"pending\",\"locations\":[{\"path\":\"a.txt\",\"line\":3}]}");
        update("{\"sessionUpdate\":\"tool_call_update\",\"toolCallId\":\"t1\",\"status\":\"completed\",\"content\":[{\"type\":\"diff\",\"path\":\"a.txt\",\"oldText\":\"x\",\"newText\":\"y\"}]}");
    } else if (IS("plan")) update("{\"sessionUpdate\":\"plan\",\"entries\":[{\"content\":\"first\",\"priority\":\"high\",\"status\":\"pending\"}]}");
    else if (IS("usage")) {
        sprintf(params, "{\"sessionUpdate\":\"usage_update\",\"used\":%d,\"size\":1000%s%s%s}", a, *two ? ",\"cost\":{\"currency\":\"USD\",\"amount\":" : "", two, *two ? "}" : "");
        update(params);
    } else if (IS("mode")) update("{\"sessionUpdate\":\"current_mode_update\",\"currentModeId\":\"plan\"}");
    else if (IS("novelty")) update("{\"sessionUpdate\":\"of_tomorrow\",\"deep\":{\"new\":[1,2]}}");
    else if (IS("permission")) {
        sprintf(params, "{\"sessionId\":\"s-1\",\"toolCall\":{\"toolCallId\":\"t2\",\"title\":\"%s %s\",\"kind\":\"%s\",\"locations\":[{\"path\":\"%s\"}]},\"options\":[{\"optionId\":\"yes\",\"name\":\"Yes\",\"kind\":\"allow_once\"},{\"optionId\":\"no\",\"name\":\"No\",\"kind\":\"reject_once\"}]}", one, two, one, two);
        ask("session/request_permission", params);
    } else if (IS("read")) {
        sprintf(params, "{\"sessionId\":\"s-1\",\"path\":\"%s\"}", one);
        ask("fs/read_text_file", params);
    } else if (IS("write")) {
        sprintf(params, "{\"sessionId\":\"s-1\",\"path\":\"%s\",\"content\":\"%s\"}", one, two);
        ask("fs/write_text_file", params);
    } else if (IS("unknown")) ask("of_tomorrow/do", "{}");
    else if (IS("again")) asked--;
    else if (IS("opened")) {
        FILE *file = fopen(one, "w");
        fputs(opening, file);
        fclose(file);
    } else if (IS("settings")) {
        sprintf(params, "%s %s %s in %s", mode, model, effort, getcwd(two, sizeof two));
        chunk("agent_message_chunk", params);
    } else if (IS("capable")) chunk("agent_message_chunk", capable ? "capable " : "incapable ");
    else if (IS("in")) strcpy(directory, one);
    else if (IS("limit")) limit = a;
    else if (IS("terminal")) {
        sprintf(params, "{\"sessionId\":\"s-1\",\"command\":\"%s\",\"args\":[\"%s\"]", one, two);
        if (*directory) sprintf(params + strlen(params), ",\"cwd\":\"%s\"", directory);
        if (limit) sprintf(params + strlen(params), ",\"outputByteLimit\":%d", limit);
        ask("terminal/create", strcat(params, "}"));
    } else if (IS("output") || IS("wait") || IS("end") || IS("release")) {
        sprintf(params, "{\"sessionId\":\"s-1\",\"terminalId\":\"%s\"}", terminal);
        ask(IS("output") ? "terminal/output" : IS("wait") ? "terminal/wait_for_exit" : IS("end") ? "terminal/kill" : "terminal/release", params);
    }
    else if (IS("sleep")) nap(a);
    else if (IS("garbage")) out("this is no JSON");
    else if (IS("huge")) {
        printf("{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":\"");
        memset(params, 'x', 8192);
        for (int i = 0; i < a * 128; i++) fwrite(params, 1, 8192, stdout);
        out("\"}");
    } else if (IS("close")) {
        close(0);
        for (;;) pause();
    } else if (IS("crash")) {
        fprintf(stderr, "the scripted agent crashes\n");
        exit(3);
    } else if (IS("stop")) {
        out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"stopReason\":\"%s\"}}", id, one);
        return 0;
    } else if (IS("fail") || IS("auth")) {
        out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":{\"code\":%d,\"message\":\"it was told to fail\"}}", id, IS("auth") ? -32000 : -32603);
        return 0;
    }
    return !cancelled;
}

static void prompt(char *line, long id) {
    char *text = strstr(line, "\"text\":\"");
    int goes_on = 1;
    turn++;
    cancelled = 0;
    if (text) {
        text += strlen("\"text\":\"");
        text[strcspn(text, "\"")] = 0;
        for (char *part = strtok(text, ";"); part && goes_on; part = strtok(NULL, ";")) {
            goes_on = perform(part, id);
        }
    }
    if (goes_on || cancelled)
        out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"stopReason\":\"%s\"}}", id, cancelled ? "cancelled" : "end_turn");
}

int main(int count, char **arguments) {
    kind = count > 1 ? arguments[1] : "";
    if (!strcmp(kind, "crash")) {
        fprintf(stderr, "no configuration was found\n");
        return 4;
    }
    for (;;) {
        char *line = next_line(-1);
        long id = number_after(line, "\"id\":");
        if (!strcmp(kind, "silence")) continue;
        if (has(line, "\"session/new\"") || has(line, "\"session/load\"") || has(line, "\"session/resume\"")) free(opening), opening = strdup(line);
        if (!strcmp(kind, "garbage")) {
            out("Welcome to the scripted agent! > ");
        } else if (has(line, "\"initialize\"")) {
            capable = has(line, "\"terminal\":true");
            int version = strcmp(kind, "version") ? 1 : 7;
            const char *load = strcmp(kind, "load") ? "false" : "true", *resume = strcmp(kind, "resume") ? "" : "\"resume\":{}";
            const char *method = strcmp(kind, "login") ? "{\"id\":\"browser\",\"name\":\"Log in with a browser\"}" : "{\"type\":\"env_var\",\"id\":\"other-api-key\",\"name\":\"Use OTHER_API_KEY\",\"vars\":[{\"name\":\"OTHER_API_KEY\"}]},{\"type\":\"env_var\",\"id\":\"some-api-key\",\"name\":\"Use SOME_API_KEY\",\"vars\":[{\"name\":\"SOME_API_KEY\"}]}";
            out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"protocolVersion\":%d,\"agentInfo\":{\"name\":\"scripted\",\"version\":\"1\"},\"agentCapabilities\":{\"loadSession\":%s,\"sessionCapabilities\":{%s}},\"authMethods\":[%s]}}", id, version, load, resume, method);
        } else if (has(line, "\"authenticate\"")) {
            authenticated = has(line, "\"some-api-key\"") && getenv("SOME_API_KEY") && !strcmp(getenv("SOME_API_KEY"), "right");
            if (authenticated) out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{}}", id);
            else out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":{\"code\":-32000,\"message\":\"The key is wrong\"}}", id);
        } else if (has(line, "\"session/new\"") && (!strcmp(kind, "auth") || (!strcmp(kind, "login") && !authenticated))) {
            out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":{\"code\":-32000,\"message\":\"Authentication required\"}}", id);
        } else if (has(line, "\"session/load\"")) {
            update("{\"sessionUpdate\":\"user_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"old question\"}}");
            chunk("agent_message_chunk", "old answer");
            out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":null}", id);
        } else if (has(line, "\"session/new\"") || has(line, "\"session/resume\"")) {
            out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{\"sessionId\":\"s-1\",\"modes\":{\"currentModeId\":\"code\",\"availableModes\":[{\"id\":\"code\",\"name\":\"Code\"},{\"id\":\"plan\",\"name\":\"Plan\"}]},%s}}", id, options());
        } else if (has(line, "\"session/set_")) {
            if (has(line, "\"session/set_model\"")) out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":{\"code\":-32601,\"message\":\"no such method\"}}", id);
            else if (has(line, "impossible")) out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":{\"code\":-32602,\"message\":\"there is no such choice\"}}", id);
            else {
                keep(mode, line, "\"modeId\":\"");
                if (has(line, "\"configId\":\"model\"")) keep(model, line, "\"value\":\"");
                if (has(line, "\"configId\":\"effort\"")) keep(effort, line, "\"value\":\"");
                out("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{%s}}", id, has(line, "\"session/set_config_option\"") ? options() : "");
                if (has(line, "\"modeId\":\"plan\"")) update("{\"sessionUpdate\":\"current_mode_update\",\"currentModeId\":\"plan\"}");
            }
        } else if (has(line, "\"session/prompt\"")) prompt(line, id);
        free(line);
    }
}
