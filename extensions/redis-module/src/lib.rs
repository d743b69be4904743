//! Zero-knowledge authentication inside Redis: clients are keys of a type of their own, challenges
//! and sessions are memory of the module, proofs are looked at on threads of the module.

mod attempt;
mod clock;
mod counters;
mod host;
mod mapping;
mod rules;
mod session;
mod settings;
mod store;
mod surface;
mod unproved;
mod workers;

use std::{
    ffi::{CStr, c_int},
    sync::atomic::Ordering,
};

use host::{
    Arguments, Ctx, ERR, Level, OK, auth, commands, configs, datatype, ending, events, guard, info,
    offered, raw,
};

#[global_allocator]
static ALLOCATOR: host::allocator::ServerMemory = host::allocator::ServerMemory;

/// Settings begin with it: `2fapi.audience`.
const MODULE_NAME: &CStr = c"2fapi";

/// 0.1.0, two digits to a part.
const MODULE_VERSION: c_int = 100;

static HANDLERS: events::Handlers = events::Handlers {
    tick: || {
        session::tick();
        store::pending::tick();
        unproved::tick();
    },
    connected: unproved::connected,
    disconnected: unproved::settled,
    role_changed: || {
        store::pending::forget_all();
        if let Err(error) = store::challenges::begin_epoch() {
            host::log(
                Level::Warning,
                &format!("2fapi: the challenges of before stay good: {error}"),
            );
        }
    },
    keys_replaced: || {
        session::end_all();
        store::pending::forget_all();
    },
};

/// What the server calls to load the module.
///
/// # Safety
/// For the server alone, with a live context.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the server looks for this name")]
pub unsafe extern "C" fn RedisModule_OnLoad(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the context is live; nothing is allocated before this is done.
    let initialized = unsafe {
        raw::Export_RedisModule_Init(
            ctx,
            MODULE_NAME.as_ptr(),
            MODULE_VERSION,
            raw::REDISMODULE_APIVER_1 as c_int,
        )
    };
    if initialized != OK {
        return ERR;
    }
    guard(ERR, || {
        // SAFETY: as above.
        let (ctx, arguments) = unsafe { (Ctx::new(ctx), Arguments::new(argv, argc)) };
        match refuse_arguments(&arguments).and_then(|()| load(ctx)) {
            Ok(()) => OK,
            Err(problem) => {
                ctx.log(Level::Warning, &format!("2fapi: not loaded: {problem}"));
                ERR
            }
        }
    })
}

/// Settings are lines of the configuration. Taken as arguments by habit they would be left out, and
/// some of them are there to keep somebody out.
fn refuse_arguments(arguments: &Arguments<'_>) -> Result<(), String> {
    if arguments.len() == 0 {
        return Ok(());
    }
    Err(format!(
        "it takes no arguments, and was given {:?}: write settings as lines of their own, such as \
         2fapi.require-proof yes",
        String::from_utf8_lossy(arguments.get(0))
    ))
}

fn load(ctx: Ctx<'_>) -> Result<(), String> {
    // All of them came with Redis 7.0, and nothing here is done without them.
    if !(offered!(RedisModule_SetCommandInfo)
        && offered!(RedisModule_RegisterStringConfig)
        && offered!(RedisModule_EventLoopAddOneShot)
        && offered!(RedisModule_AuthenticateClientWithACLUser))
    {
        return Err("it needs Redis 7.0 or newer, or Valkey".into());
    }
    let done = |done: bool, what: &str| {
        if done {
            Ok(())
        } else {
            Err(format!("the server refused {what}"))
        }
    };
    commands::log_panics();
    datatype::handle_read_errors(ctx);
    done(
        store::clients::register_type(ctx),
        "the data type of clients",
    )?;
    done(commands::add_acl_category(ctx), "the ACL category")?;
    done(settings::register(ctx), "the settings")?;
    done(configs::load(ctx), "a setting of the configuration file")?;
    commands::register(ctx, &surface::table::COMMANDS, |command| {
        let opens = [c"2FAPI.CHALLENGE", c"2FAPI.VERIFY", c"2FAPI.JOIN"].contains(&command.name);
        if opens && settings::before_auth() {
            "no-auth"
        } else {
            ""
        }
    })
    .map_err(|name| format!("the server refused the command {name}"))?;
    info::register(ctx, surface::status::report);
    done(host::server::prepare(ctx), "a context")?;
    done(ending::prepare(), "a user without rights")?;
    store::challenges::start(settings::spent_capacity()).map_err(|error| error.to_string())?;
    let threads = settings::verify_threads();
    if !workers::start(threads) {
        return Err(format!("the system refused one of {threads} threads"));
    }
    // What the server would go on calling after a failure comes last.
    let last = || {
        if ctx.flags().is_cluster() {
            surface::common::IN_CLUSTER.store(true, Ordering::Relaxed);
            done(commands::route_by_key(ctx), "the filter that routes by key")?;
        }
        done(events::subscribe(ctx, &HANDLERS), "the events")
    };
    last().inspect_err(|_| {
        events::unsubscribe(ctx);
        commands::stop_routing(ctx);
        workers::stop();
    })?;
    auth::register(ctx, surface::auth::attempt);
    ctx.log(
        Level::Notice,
        &format!(
            "2fapi: ready, with {} threads for proofs",
            workers::threads()
        ),
    );
    Ok(())
}
