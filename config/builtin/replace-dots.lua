-- Replaces the dots in the names of fields, also of nested ones, by "_" or by the text in the record's field
-- _replace_dots_with, which is removed. In a configuration: Script /fluent-bit/filters/replace_dots.lua, Call filter.
local option = "_replace_dots_with"

local function renamed(value, by)
    if type(value) ~= "table" then
        return value
    end
    local out = {}
    for name, member in pairs(value) do
        if name ~= option then
            if type(name) == "string" then
                name = name:gsub("%.", by)
            end
            out[name] = renamed(member, by)
        end
    end
    return out
end

function filter(tag, timestamp, record)
    local by = "_"
    if record[option] then
        by = tostring(record[option])
    end
    return 1, timestamp, renamed(record, (by:gsub("%%", "%%%%")))
end
